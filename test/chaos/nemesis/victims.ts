import { readState } from '../../e2e/processes.ts';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Rows } from '@muniment/testing';

/** Signals the fleet's processes by name. A process paused by two faults resumes after both. */
export interface Victims {
  /** Kills a process. @returns false when it was not running */
  kill(name: string): Promise<boolean>;
  /** Pauses a process. @returns a function that resumes it */
  pause(name: string): Promise<() => void>;
  /** Resumes every paused process. */
  resumeAll(): void;
}

export function createVictims(fleet: Fleet): Victims {
  const stopped = new Map<number, number>();
  const pidOf = async (name: string): Promise<number | undefined> =>
    (await readState(fleet)).processes.find((process) => process.name === name)?.pid;
  const signal = (pid: number, name: NodeJS.Signals): boolean => {
    try {
      return process.kill(pid, name);
    } catch {
      return false;
    }
  };
  return {
    async kill(name) {
      const pid = await pidOf(name);
      return pid !== undefined && signal(pid, 'SIGKILL');
    },
    async pause(name) {
      const pid = await pidOf(name);
      if (pid === undefined || !signal(pid, 'SIGSTOP')) return () => {};
      stopped.set(pid, (stopped.get(pid) ?? 0) + 1);
      return () => {
        const left = (stopped.get(pid) ?? 1) - 1;
        stopped.set(pid, left);
        if (left === 0) signal(pid, 'SIGCONT');
      };
    },
    resumeAll() {
      for (const [pid, count] of stopped) if (count > 0) signal(pid, 'SIGCONT');
      stopped.clear();
    },
  };
}

export type Lease = 'relay' | 'sealer' | 'shard';

/** Finds the replica that holds a lease. `choice` selects among several; undefined without one. */
export async function findHolder(
  rows: Rows,
  lease: Lease,
  choice: number,
): Promise<string | undefined> {
  const relays = ['identity', 'files', 'audit', 'app'].map(
    (schema) =>
      `select '${schema}' as place, holder from ${schema}.leases
      where name = 'relay' and expires_at > clock_timestamp()`,
  );
  const query = {
    relay: `select holder from (${relays.join(' union all ')}) r order by place`,
    sealer: `select holder from audit.leases
      where name = 'sealer' and expires_at > clock_timestamp()`,
    shard: `select owner as holder from audit.shards
      where owner is not null and expires_at > clock_timestamp() order by shard_id`,
  }[lease];
  const leases = await rows<{ holder: string }>(query).catch(() => []);
  // A holder's name is its replica and a number of its process.
  return leases[Math.floor(choice * leases.length)]?.holder.split('/')[0];
}
