import { setTimeout as sleep } from 'node:timers/promises';
import { clearStalePostgres, processesOf } from '../../postgres/stale-postgres.ts';
import { allProcesses, isAlive, processStat } from './process-table.ts';
import type { FleetState, Identity } from './state.ts';
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
  const running = allProcesses();
  return state.processes.flatMap(({ pid, startTime, ready }) => {
    // PostgreSQL ends last, by stopPostmaster.
    if (pid === undefined || startTime === undefined || 'postgres' in ready) return [];
    // A reused pid: neither the process nor its group is ours.
    const leader = processStat(pid);
    if (leader !== undefined && !isAlive({ pid, startTime })) return [];
    return running.filter((process) => process.group === pid || process.pid === pid);
  });
}
