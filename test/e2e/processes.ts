import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet, FleetProcess } from './fleet.ts';

interface State {
  supervisor: { pid: number };
  processes: { name: string; pid?: number; restarts: number }[];
}

/** The supervisor's current state. */
export async function readState(fleet: Fleet): Promise<State> {
  return JSON.parse(await readFile(join(fleet.dataDir, 'state.json'), 'utf8')) as State;
}

/** The process of this name. */
export async function findProcess(fleet: Fleet, name: string): Promise<FleetProcess> {
  const found = (await fleet.describe()).processes.find((process) => process.name === name);
  if (!found) throw new Error(`the fleet has no ${name}`);
  return found;
}

/** Asks a replica at its own port whether it is ready. */
export async function isReady({ port }: FleetProcess): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/ready`, {
    signal: AbortSignal.timeout(2_000),
  }).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** Kills a process by SIGKILL. A process that has just ended is no error. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process ended meanwhile.
  }
}

/** A process and its descendants: PostgreSQL and nginx put their children in other groups. */
export function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // The parenthesised name may hold any character; the parent is the second field after it.
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // The process ended meanwhile.
    }
  }
  const found = [root];
  for (const pid of found)
    for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found;
}
