import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet, FleetProcess } from './fleet.ts';

interface State {
  supervisor: { pid: number };
  processes: { name: string; pid?: number; restarts: number }[];
}

/** What the supervisor knows at this moment. */
export async function readState(fleet: Fleet): Promise<State> {
  return JSON.parse(await readFile(join(fleet.dataDir, 'state.json'), 'utf8')) as State;
}

/** The process of this name. */
export async function findProcess(fleet: Fleet, name: string): Promise<FleetProcess> {
  const found = (await fleet.describe()).processes.find((process) => process.name === name);
  if (!found) throw new Error(`the fleet has no ${name}`);
  return found;
}

/** Whether a replica takes work, asked at its own port. */
export async function isReady({ port }: FleetProcess): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/ready`, {
    signal: AbortSignal.timeout(2_000),
  }).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** Ends a process without warning; one that is being restarted has none to end. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended meanwhile
  }
}

/** A process and all that descends from it: PostgreSQL's backends and nginx's workers belong to no group of ours. */
export function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // The name stands in parentheses and may hold anything; the parent is the second field behind it.
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // it ended meanwhile
    }
  }
  const found = [root];
  for (const pid of found)
    for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found;
}
