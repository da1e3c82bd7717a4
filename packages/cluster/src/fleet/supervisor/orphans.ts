import { setTimeout as sleep } from 'node:timers/promises';
import { clearStalePostgres, processesOf } from '../../postgres/stale-postgres.ts';
import { allProcesses, isAlive, processStat } from './process-table.ts';
import type { FleetState, Identity } from './state.ts';
import { signalQuietly } from './supervised-process.ts';

const PATIENCE_MS = 5_000;

/**
 * Ends what outlived its supervisor, and nothing else: a recorded process counts only while its start time is the
 * recorded one, and the members of its group (nginx's workers) only while no stranger has taken the leader's number.
 * Returns their pids.
 */
export async function endOrphans(state: FleetState): Promise<number[]> {
  const ended = new Set<number>();
  for (let waited = 0; ; waited += 50) {
    const left = [...orphans(state)];
    if (left.length === 0) break;
    const signal = waited === 0 ? 'SIGTERM' : waited >= PATIENCE_MS ? 'SIGKILL' : undefined;
    for (const { pid } of left) {
      ended.add(pid);
      if (signal) signalQuietly(pid, signal);
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

// SIGINT is PostgreSQL's orderly stop; what it does not do in time, clearStalePostgres does.
async function stopPostmaster(postmaster: Identity): Promise<void> {
  if (!isAlive(postmaster)) return;
  signalQuietly(postmaster.pid, 'SIGINT');
  for (let waited = 0; isAlive(postmaster) && waited < PATIENCE_MS; waited += 50) await sleep(50);
}

function orphans(state: FleetState): Identity[] {
  const everyone = allProcesses();
  return state.processes.flatMap(({ pid, startTime, ready }) => {
    // PostgreSQL ends last and by its own means.
    if (pid === undefined || startTime === undefined || 'postgres' in ready) return [];
    const leader = processStat(pid);
    if (leader !== undefined && !isAlive({ pid, startTime })) return [];
    return everyone.filter((process) => process.group === pid || process.pid === pid);
  });
}
