import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../errors.ts';
import { isAlive } from '../supervisor/process-table.ts';
import { isReady } from '../supervisor/readiness.ts';
import { signalIfAlive } from '../supervisor/signals.ts';
import { isSupervisorAlive, readState, type ProcessState } from '../supervisor/state.ts';
import { SERVICES } from '../plan/replica-names.ts';

const POLL_MS = 20;
/** Longer than SHUTDOWN_TIMEOUT_MS, at which a replica ends itself. */
const STOP_TIMEOUT_MS = 35_000;
const READY_TIMEOUT_MS = 60_000;
/** Nginx skips a replica for a second behind its last failure, and would have none to use. */
const SKIPPED_MS = 1_500;

export interface RestartedReplica {
  name: string;
  /** From the signal to the end of the process. */
  stopMs: number;
  /** From the end of the process until the next one took work. */
  readyMs: number;
  /** How it ended: `exit code 0` in an orderly stop. */
  exit: string;
}

/** The names of all replicas of a running fleet. @throws FleetError when none runs */
export function listReplicas(data: string): string[] {
  const state = readState(data);
  if (!isSupervisorAlive(state) || state.phase !== 'running')
    throw new FleetError(`No fleet runs from ${data}. Start one with make up.`);
  return state.processes
    .filter(({ service }) => (SERVICES as readonly string[]).includes(service))
    .map(({ name }) => name);
}

/**
 * Stops a replica in order; the supervisor starts it again. Waits first until another replica of
 * its service takes work, and then until this one does.
 * @throws FleetError when one of them does not
 */
export async function restartReplica(data: string, name: string): Promise<RestartedReplica> {
  const { service } = findReplica(data, name);
  if (listSiblings(data, { service, name }).length === 0)
    throw new FleetError(
      `${name} is the only replica of ${service}, so nothing would serve meanwhile. ` +
        'Start the fleet with REPLICAS=2 or more.',
    );
  await untilTrue(() => hasReadySibling(data, { service, name }), {
    ms: READY_TIMEOUT_MS,
    failure: `No other replica of ${service} takes work. See make status.`,
  });
  // Read again: it may have been restarted meanwhile.
  const { pid, startTime, log } = findReplica(data, name);
  const signalledAt = performance.now();
  if (pid !== undefined && startTime !== undefined && isAlive({ pid, startTime })) {
    signalIfAlive(pid, 'SIGTERM');
    await untilTrue(() => !isAlive({ pid, startTime }), {
      ms: STOP_TIMEOUT_MS,
      failure: `${name} did not stop. Its log is ${log}.`,
    });
  }
  const endedAt = performance.now();
  await untilTrue(() => isReplaced(data, name, pid), {
    ms: READY_TIMEOUT_MS,
    failure: `${name} did not come back. Its log is ${log}.`,
  });
  const readyMs = performance.now() - endedAt;
  await sleep(SKIPPED_MS);
  return {
    name,
    stopMs: endedAt - signalledAt,
    readyMs,
    exit: findReplica(data, name).lastExit ?? 'unknown',
  };
}

function findReplica(data: string, name: string): ProcessState {
  const found = readState(data)?.processes.find((process) => process.name === name);
  if (!found) throw new FleetError(`The fleet has no replica ${name}. See make status.`);
  return found;
}

type Replica = Pick<ProcessState, 'service' | 'name'>;

function listSiblings(data: string, { service, name }: Replica): ProcessState[] {
  return (readState(data)?.processes ?? []).filter(
    (process) => process.service === service && process.name !== name,
  );
}

async function hasReadySibling(data: string, replica: Replica): Promise<boolean> {
  const ready = await Promise.all(
    listSiblings(data, replica).map(
      async ({ pid, ready: probe }) => pid !== undefined && isReady(probe, pid),
    ),
  );
  return ready.includes(true);
}

async function isReplaced(data: string, name: string, before?: number): Promise<boolean> {
  const { pid, ready } = findReplica(data, name);
  return pid !== undefined && pid !== before && isReady(ready, pid);
}

async function untilTrue(
  condition: () => boolean | Promise<boolean>,
  { ms, failure }: { ms: number; failure: string },
): Promise<void> {
  for (const deadline = performance.now() + ms; !(await condition()); await sleep(POLL_MS))
    if (performance.now() > deadline) throw new FleetError(failure);
}
