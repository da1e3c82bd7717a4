import { setTimeout as sleep } from 'node:timers/promises';
import { clearStalePostgres, processesOf } from '../../postgres/stale-postgres.ts';
import { allProcesses, isAlive, processStat } from './process-table.ts';
import type { FleetState, Identity, ProcessState } from './state.ts';
import { signalIfAlive } from './signals.ts';

const STOP_TIMEOUT_MS = 5_000;

/**
 * Ends processes that outlived their supervisor. @returns their pids
 * Start times are compared, so that a foreign process with a reused pid is left alone.
 */
export async function endOrphans(state: FleetState): Promise<number[]> {
  const ended = new Set<number>();
  for (let waited = 0; ; waited += 50) {
    const alive = findOrphans(state);
    if (alive.length === 0) break;
    const signal = waited === 0 ? 'SIGTERM' : waited >= STOP_TIMEOUT_MS ? 'SIGKILL' : undefined;
    for (const { pid } of alive) {
      ended.add(pid);
      if (signal) signalIfAlive(pid, signal);
    }
    await sleep(50);
  }
  for (const { pid, startTime, ready } of state.processes) {
    if (!('postgres' in ready)) continue;
    for (const member of processesOf(ready.postgres)) ended.add(member);
    if (pid !== undefined && startTime !== undefined) await stopPostmaster({ pid, startTime });
    await clearStalePostgres(ready.postgres);
  }
  return [...ended];
}

// SIGINT is PostgreSQL's orderly stop. clearStalePostgres ends what is late.
async function stopPostmaster(postmaster: Identity): Promise<void> {
  if (!isAlive(postmaster)) return;
  signalIfAlive(postmaster.pid, 'SIGINT');
  for (let waited = 0; isAlive(postmaster) && waited < STOP_TIMEOUT_MS; waited += 50)
    await sleep(50);
}

function findOrphans(state: FleetState): Identity[] {
  // PostgreSQL ends last, by stopPostmaster.
  const groups = processGroups(state.processes.filter(({ ready }) => !('postgres' in ready)));
  return allProcesses().filter(({ group, pid }) => groups.has(group) || groups.has(pid));
}

/** The process groups of a fleet, by their leaders' pids. */
export function processGroups(processes: readonly ProcessState[]): Set<number> {
  const leaders = processes.flatMap(({ pid, startTime }) => {
    if (pid === undefined || startTime === undefined) return [];
    // A reused pid: neither the process nor its group is ours.
    return processStat(pid) !== undefined && !isAlive({ pid, startTime }) ? [] : [pid];
  });
  return new Set(leaders);
}
