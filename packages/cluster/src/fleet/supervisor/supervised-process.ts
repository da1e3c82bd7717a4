import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { clearStalePostgres } from '../../postgres/stale-postgres.ts';
import { openLog } from './open-log.ts';
import type { ProcessSpec } from './plan.ts';
import { allProcesses, processStat } from './process-table.ts';
import type { Identity } from './state.ts';

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 10_000;
// A process that has lived this long is not one that keeps dying: the next restart is quick again.
const STEADY_MS = 5_000;

export interface ProcessEvents {
  /** A new pid, or an exit. */
  changed(): void;
  log(line: string): void;
  /** Whether an exit leads to a restart; false before the process was ready for the first time and while the fleet stops. */
  restarts(): boolean;
}

export interface SupervisedProcess {
  spec: ProcessSpec;
  /** The living process. */
  identity(): Identity | undefined;
  restarts(): number;
  /** How the last one ended, while none lives. */
  exit(): string | undefined;
  start(): Promise<void>;
  /** In order, then the hard way; resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/** One process that is started again whenever it ends, at once first and ever slower while it keeps dying. */
export function superviseProcess(
  spec: ProcessSpec,
  cwd: string,
  events: ProcessEvents,
): SupervisedProcess {
  let child: ChildProcess | undefined;
  let identity: Identity | undefined;
  let restarts = 0;
  let exit: string | undefined;
  let delay = FIRST_DELAY_MS;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;

  async function start(): Promise<void> {
    // The shared memory and the socket of a killed postmaster stay while one of its backends lives.
    if ('postgres' in spec.ready) await clearStalePostgres(spec.ready.postgres);
    if (stopping) return;
    const fd = openLog(spec.log);
    const [command = '', ...args] = spec.command;
    // A process group of its own: what a killed leader leaves behind can be swept by it.
    child = spawn(command, args, {
      cwd,
      env: spec.env,
      ...spec.user,
      detached: true,
      stdio: ['ignore', fd, fd],
    });
    closeSync(fd);
    const started = performance.now();
    const { pid } = child;
    identity = pid === undefined ? undefined : { pid, startTime: processStat(pid)?.startTime ?? 0 };
    exit = undefined;
    events.changed();
    let settled = false;
    const ended = (how: string): void => {
      if (settled) return;
      settled = true;
      void gone(how, pid, performance.now() - started);
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) =>
      ended(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
    events.log(`${spec.name}: started as process ${pid ?? '(none)'}`);
  }

  async function gone(how: string, pid: number | undefined, lived: number): Promise<void> {
    identity = undefined;
    exit = how;
    events.log(
      `${spec.name}: process ${pid ?? '(none)'} ended by ${how} after ${(lived / 1000).toFixed(1)} s`,
    );
    if (pid !== undefined) await sweepGroup(pid);
    events.changed();
    if (stopping || !events.restarts()) return;
    if (lived >= STEADY_MS) delay = FIRST_DELAY_MS;
    events.log(`${spec.name}: restart in ${delay} ms`);
    timer = setTimeout(() => {
      restarts += 1;
      start().catch((error: unknown) =>
        events.log(`${spec.name}: restart failed: ${String(error)}`),
      );
    }, delay);
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }

  async function stop(): Promise<void> {
    stopping = true;
    clearTimeout(timer);
    const running = child;
    const pid = identity?.pid;
    if (running && pid !== undefined && running.exitCode === null && running.signalCode === null) {
      const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      running.kill(spec.stopSignal);
      const killer = setTimeout(() => {
        events.log(`${spec.name}: did not stop within ${spec.stopTimeout} ms, killed`);
        running.kill('SIGKILL');
      }, spec.stopTimeout);
      await exited;
      clearTimeout(killer);
      await sweepGroup(pid);
    }
    if ('postgres' in spec.ready) await clearStalePostgres(spec.ready.postgres);
  }

  return {
    spec,
    identity: () => identity,
    restarts: () => restarts,
    exit: () => exit,
    start,
    stop,
  };
}

/**
 * Ends what is left of a process group whose leader is dead: nginx's workers would keep the port, a watcher's child
 * would run on. SIGQUIT lets workers finish their requests and frees the port at once; SIGKILL follows.
 */
export async function sweepGroup(group: number): Promise<void> {
  for (let waited = 0; waited <= 5000; waited += 25) {
    const members = allProcesses().filter((process) => process.group === group);
    if (members.length === 0) return;
    const signal = waited === 0 ? 'SIGQUIT' : waited >= 500 ? 'SIGKILL' : undefined;
    if (signal) for (const { pid } of members) signalQuietly(pid, signal);
    await sleep(25);
  }
}

export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it ended meanwhile
  }
}
