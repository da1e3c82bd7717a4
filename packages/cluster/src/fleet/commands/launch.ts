import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../errors.ts';
import { writeAtomically } from '../../write-atomically.ts';
import { lastLines } from '../supervisor/last-lines.ts';
import type { Plan } from '../supervisor/plan.ts';
import { isReady } from '../supervisor/readiness.ts';
import { readState } from '../supervisor/state.ts';
import { type LaunchedFleet, readLaunchedFleet } from './launched-fleet.ts';

// On a busy machine the gateway's first answer takes longest.
const GATEWAY_TIMEOUT_MS = 15_000;

/** Starts the supervisor as a detached process and waits until the fleet is ready. */
export async function launch(plan: Plan, report: (line: string) => void): Promise<LaunchedFleet> {
  const log = path.join(plan.data, 'logs', 'supervisor.log');
  const child = startSupervisor(plan, log);
  const interrupt = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  await untilRunning(plan.data, { child, log, report });
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  child.unref();
  const launched = readLaunchedFleet(plan.data);
  await untilGatewayAnswers(launched.http);
  return launched;
}

function startSupervisor(plan: Plan, log: string): ChildProcess {
  mkdirSync(path.dirname(log), { recursive: true, mode: 0o700 });
  const file = path.join(plan.data, 'plan.json');
  writeAtomically(file, JSON.stringify(plan));
  const fd = openSync(log, 'a', 0o600);
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, '../supervisor/supervisor-main.ts'), file],
    { cwd: plan.cwd, detached: true, stdio: ['ignore', fd, fd] },
  );
  closeSync(fd);
  return child;
}

async function untilRunning(
  data: string,
  { child, log, report }: { child: ChildProcess; log: string; report: (line: string) => void },
): Promise<void> {
  let exited = false;
  child.once('exit', () => (exited = true)).once('error', () => (exited = true));
  for (let shown = ''; ; await sleep(50)) {
    const state = readState(data);
    const own = state?.supervisor.pid === child.pid ? state : undefined;
    if (own?.phase === 'starting' && own.title !== shown) report((shown = own.title));
    if (own?.phase === 'running') return;
    if (exited)
      throw new FleetError(
        `${own?.failure ?? `The supervisor ended:\n${lastLines(log, 10).join('\n')}`}\n` +
          'Nothing was left running.',
      );
  }
}

async function untilGatewayAnswers(origin: string): Promise<void> {
  const health = { http: `${origin.replace('localhost', '127.0.0.1')}/health` };
  const deadline = performance.now() + GATEWAY_TIMEOUT_MS;
  while (!(await isReady(health, 0))) {
    if (performance.now() >= deadline)
      throw new FleetError(
        `The fleet runs, but ${origin}/health does not answer. See make status and make logs.`,
      );
    await sleep(100);
  }
}
