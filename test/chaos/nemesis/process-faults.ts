import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listReplicas, restartReplica } from '@muniment/cluster';
import type { Rows } from '@muniment/testing';
import type { Fleet } from '../../e2e/fleet.ts';
import { findCommitting } from '../trail.ts';
import { findHolder, type Lease, type Victims } from './victims.ts';

/** What a fault on processes works with. Each function returns a description of its target. */
export interface ProcessFaults {
  fleet: Fleet;
  rows: Rows;
  /** Replicas of each service. */
  replicas: number;
  victims: Victims;
  /** Aborts when the clients stop. */
  signal: AbortSignal;
}

const HOLDER_TIMEOUT_MS = 1_500;
const HOLDER_POLL_MS = 100;
const COMMIT_TIMEOUT_MS = 3_000;
const COMMIT_POLL_MS = 5;
/** How long the consumer is paused before a wipe, so that unread records are lost. */
const UNREAD_MS = 800;

export const replicaOf = (
  { replicas }: Pick<ProcessFaults, 'replicas'>,
  service: string,
  choice: number,
): string => `${service}-${1 + Math.floor(choice * replicas)}`;

/** Waits for a holder of the lease. Without one it is a replica of the audit service. */
export async function holderOf(
  faults: ProcessFaults,
  lease: Lease,
  choice: number,
): Promise<string> {
  const deadline = performance.now() + HOLDER_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const holder = await findHolder(faults.rows, lease, choice);
    if (holder !== undefined) return holder;
    await sleep(HOLDER_POLL_MS);
  }
  return replicaOf(faults, 'audit', choice);
}

export async function kill({ victims }: ProcessFaults, name: string): Promise<string> {
  return (await victims.kill(name)) ? name : `${name} (was down already)`;
}

/** Kills a replica of the service, or `victim`, while a slowed commit is under way. */
export async function killInCommit(
  faults: ProcessFaults,
  service: string,
  { choice, victim }: { choice: number; victim?: string },
): Promise<string> {
  const deadline = performance.now() + COMMIT_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const committing = await findCommitting(faults.rows, service).catch(() => undefined);
    if (committing !== undefined) {
      const killed = await kill(faults, victim ?? committing);
      return `${killed}, a commit of ${committing} under way`;
    }
    await sleep(COMMIT_POLL_MS);
  }
  const killed = await kill(faults, victim ?? replicaOf(faults, service, choice));
  return `${killed}, no commit of ${service} under way`;
}

export async function pause(
  { victims }: ProcessFaults,
  name: string,
  durationMs: number,
): Promise<string> {
  const resume = await victims.pause(name);
  await sleep(durationMs);
  resume();
  return name;
}

/** Deletes the stream's records, some of which no consumer has read. */
export async function wipeStream({ fleet, victims, replicas }: ProcessFaults): Promise<string> {
  const resumes = await Promise.all(
    Array.from({ length: replicas }, (_, index) => victims.pause(`audit-${index + 1}`)),
  );
  await sleep(UNREAD_MS);
  // Paused first, so that the server does not write into the deleted folder.
  await victims.pause('kinesis');
  await rm(join(fleet.dataDir, 'kinesis'), { recursive: true, force: true });
  await victims.kill('kinesis');
  for (const resume of resumes) resume();
  return 'the records of the stream';
}

/** Restarts every replica, one after another, as `make rolling-restart` does. */
export async function restartAll({ fleet, signal }: ProcessFaults): Promise<string> {
  const done: string[] = [];
  for (const name of listReplicas(fleet.dataDir)) {
    if (signal.aborted) break;
    // Other faults may keep it down for longer than the wait; the run checks for that at its end.
    const { exit } = await restartReplica(fleet.dataDir, name).catch((error: unknown) => ({
      exit: String(error),
    }));
    done.push(exit === 'exit code 0' ? name : `${name} (${exit})`);
  }
  return done.join(', ');
}
