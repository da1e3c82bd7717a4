import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../errors.ts';
import { lastLines } from '../supervisor/last-lines.ts';
import type { Plan } from '../supervisor/plan.ts';
import { isReady } from '../supervisor/readiness.ts';
import type { FleetSettings } from '../settings.ts';
import { readState, supervisorLives } from '../supervisor/state.ts';
import { writeAtomically } from '../../write-atomically.ts';

// On a machine that is busy starting everything the first answer may take longer than it will ever again.
const GATEWAY_PATIENCE_MS = 15_000;

const PATIENCE_MS = 10_000;

export interface LaunchedFleet {
  http: string;
  https: string | null;
  /** Where the mails that the fleet sends are shown. */
  mail: string;
  processes: number;
}

/** The running fleet when it is the one asked for and all of it is, or soon gets, ready; else `report` is told why not. */
export async function alreadyRunning(
  settings: FleetSettings,
  report: (line: string) => void,
): Promise<LaunchedFleet | undefined> {
  const state = readState(settings.data);
  if (!supervisorLives(state) || state.phase !== 'running') return undefined;
  const asked: Record<string, unknown> = { ...settings };
  const differ = Object.keys(asked).filter(
    (name) => !isDeepStrictEqual(state.settings[name], asked[name]),
  );
  if (differ.length > 0) {
    report(
      `the running fleet was asked to be different (${differ.map((name) => `${name} ${JSON.stringify(state.settings[name])}, now ${JSON.stringify(asked[name])}`).join('; ')}): starting it anew`,
    );
    return undefined;
  }
  // A process that is just being restarted is no reason to stop the others.
  if (await within(PATIENCE_MS, () => allReady(settings.data))) return facts(settings.data);
  report('a part of the running fleet is not ready: starting it anew');
  return undefined;
}

async function allReady(data: string): Promise<boolean> {
  const processes = readState(data)?.processes ?? [];
  const ready = await Promise.all(
    processes.map(({ ready: probe, pid }) =>
      pid === undefined ? Promise.resolve(false) : isReady(probe, pid),
    ),
  );
  return ready.length > 0 && ready.every(Boolean);
}

async function within(limit: number, truth: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = performance.now() + limit; ; await sleep(100)) {
    if (await truth()) return true;
    if (performance.now() > deadline) return false;
  }
}

/** Starts the supervisor as a process of its own session and waits until the fleet is ready. */
export async function launch(plan: Plan, report: (line: string) => void): Promise<LaunchedFleet> {
  const logs = path.join(plan.data, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const file = path.join(plan.data, 'plan.json');
  writeAtomically(file, JSON.stringify(plan));
  const log = path.join(logs, 'supervisor.log');
  const fd = openSync(log, 'a', 0o600);
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, '../supervisor/supervisor-main.ts'), file],
    { cwd: plan.cwd, detached: true, stdio: ['ignore', fd, fd] },
  );
  closeSync(fd);
  let exited = false;
  child.once('exit', () => (exited = true)).once('error', () => (exited = true));
  const interrupt = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);

  for (let shown = ''; ; await sleep(50)) {
    const state = readState(plan.data);
    const ours = state?.supervisor.pid === child.pid ? state : undefined;
    if (ours && ours.phase === 'starting' && ours.title !== shown) report((shown = ours.title));
    if (ours?.phase === 'running') break;
    if (exited)
      throw new FleetError(
        `${ours?.failure ?? `the supervisor ended:\n${lastLines(log, 10).join('\n')}`}\nNothing was left running.`,
      );
  }
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  child.unref();
  const launched = facts(plan.data);
  const health = { http: `${launched.http.replace('localhost', '127.0.0.1')}/health` };
  for (
    const deadline = performance.now() + GATEWAY_PATIENCE_MS;
    !(await isReady(health, 0));
    await sleep(100)
  ) {
    if (performance.now() < deadline) continue;
    throw new FleetError(
      `the fleet runs, but ${launched.http}/health does not answer: see make status and make logs`,
    );
  }
  return launched;
}

function facts(data: string): LaunchedFleet {
  const {
    gateway,
    mail,
    processes,
  }: {
    gateway: { http: string; https: string | null };
    mail: { page: string };
    processes: unknown[];
  } = JSON.parse(readFileSync(path.join(data, 'fleet.json'), 'utf8'));
  return { ...gateway, mail: mail.page, processes: processes.length };
}
