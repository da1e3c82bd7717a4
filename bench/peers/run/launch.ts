import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@muniment/testing';
import type { Run } from './run.ts';

const STOP_TIMEOUT_MS = 10_000;
const START_TIMEOUT_MS = 120_000;

export interface Program {
  name: string;
  cwd: string;
  command: string[];
  environment: Record<string, string>;
  stopSignal?: NodeJS.Signals;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

function spawnUnprivileged(run: Run, program: Program): ChildProcess {
  const { name, cwd, command, environment, stopSignal = 'SIGTERM' } = program;
  const { prefix, user } = run.unprivileged;
  // A killed bench must leave no server. From Node only setpriv can ask for that.
  const guard = prefix.length > 0 ? [...prefix, '--pdeathsig', stopSignal.slice(3)] : [];
  const [file = '', ...args] = [...guard, ...command];
  const log = openSync(join(run.folder, 'logs', `${name}.log`), 'w');
  const child = spawn(file, args, {
    ...user,
    cwd,
    stdio: ['ignore', log, log],
    // A group of its own: Ctrl-C reaches the bench alone, which ends all in order.
    detached: true,
    env: { PATH: process.env['PATH'], HOME: join(run.dataDir, 'home'), ...environment },
  });
  closeSync(log);
  child.on('error', () => {}); // Detected below: the child has no pid.
  return child;
}

function killGroup(group: number): void {
  try {
    process.kill(group, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const group = -child.pid;
  const timer = setTimeout(() => killGroup(group), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

const logTail = (run: Run, name: string): string =>
  readFileSync(join(run.folder, 'logs', `${name}.log`), 'utf8')
    .split('\n')
    .slice(-15)
    .join('\n');

/** Starts a program that ends with this run. @returns its pid, once `isReady` is true */
export async function launch(
  run: Run,
  program: Program,
  isReady: () => Promise<boolean>,
): Promise<number> {
  const { name, stopSignal = 'SIGTERM' } = program;
  const child = spawnUnprivileged(run, program);
  run.teardown(() => stop(child, stopSignal));
  await until(
    async () => {
      if (child.pid === undefined || hasEnded(child))
        throw new Error(`${name} ended at its start:\n${logTail(run, name)}`);
      return isReady();
    },
    { what: `${name} is ready`, timeoutMs: START_TIMEOUT_MS },
  );
  return child.pid ?? 0;
}

/** Runs a program to its end. @throws Error with its last lines when it fails */
export async function runProgram(run: Run, program: Program): Promise<void> {
  const child = spawnUnprivileged(run, program);
  run.teardown(() => stop(child, 'SIGTERM'));
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve).once('error', () => resolve(null));
  });
  if (code !== 0)
    throw new Error(`${program.name} exited with ${code}:\n${logTail(run, program.name)}`);
}

/** Whether this address answers with a 2xx status. */
export const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (answer) => answer.ok,
    () => false,
  );
