import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad, type LoadResult } from '../load/run-load.ts';
import type { Operation, Options } from '../options.ts';
import type { Target } from '../targets/target.ts';
import type { ProcessGroups } from '../targets/target-spec.ts';
import { cpuMsOf, readMachine, rssMiBOf, treesOf } from './process-tree.ts';
import type { GroupFigures, Row } from './row.ts';

const CATCH_UP_TIMEOUT_MS = 60_000;
// Asking costs the database CPU, which counts.
const CATCH_UP_INTERVAL_MS = 100;
const SAMPLE_MS = 200;
/** Bounds what uploads leave on the disk. */
const MAX_LARGE_UPLOADS = 400;
const MAX_REQUESTS = 200_000;

export const concurrencyOf = (options: Options, operation: Operation): number =>
  operation.endsWith('16m') ? options.largeConcurrency : options.concurrency;

/** Sends an operation for some seconds. */
export const loadTarget = (
  { target, options }: { target: Target; options: Options },
  operation: Operation,
  seconds: number,
): Promise<LoadResult> =>
  runLoad(target.send(operation), {
    workers: concurrencyOf(options, operation),
    seconds,
    maxRequests: operation === 'upload-16m' ? MAX_LARGE_UPLOADS : MAX_REQUESTS,
  });

/** Waits until the target's events are stored and sealed. @returns the seconds it took */
export async function catchUp(
  target: Pick<Target, 'isCaughtUp'>,
  timeoutMs = CATCH_UP_TIMEOUT_MS,
): Promise<number> {
  const startedAt = performance.now();
  while (!(await target.isCaughtUp())) {
    if (performance.now() - startedAt > timeoutMs)
      throw new Error(`the trail has not caught up in ${timeoutMs / 1_000} s`);
    await sleep(CATCH_UP_INTERVAL_MS);
  }
  return (performance.now() - startedAt) / 1_000;
}

/** Applies a function to each group. */
const mapGroups = <Value>(
  groups: ProcessGroups,
  map: (pids: number[], group: keyof ProcessGroups) => Value,
): Partial<Record<keyof ProcessGroups, Value>> =>
  Object.fromEntries(
    Object.entries(groups)
      .filter(([, pids]) => pids.length > 0)
      .map(([group, pids]) => [group, map(pids, group as keyof ProcessGroups)]),
  );

/** Follows CPU and memory of a target's processes. */
function watchProcesses(groups: ProcessGroups) {
  const members = mapGroups(groups, treesOf);
  const peaks: GroupFigures = {};
  const sample = (): void => {
    for (const [group, pids] of Object.entries(members) as [keyof ProcessGroups, number[]][])
      peaks[group] = Math.max(peaks[group] ?? 0, rssMiBOf(pids));
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  const before = mapGroups(groups, cpuMsOf);
  return {
    /** @returns ms of CPU and the highest MiB since the start, by group */
    end() {
      clearInterval(timer);
      sample();
      const cpuMs = mapGroups(groups, (pids, group) => cpuMsOf(pids) - (before[group] ?? 0));
      return { cpuMs, peakRssMiB: peaks };
    },
  };
}

/** A failure of the whole row, counted among the errors of its requests. */
async function attempt<Value>(
  errors: Record<string, number>,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await work();
  } catch (error) {
    errors[String(error instanceof Error ? error.message : error)] = 1;
    return undefined;
  }
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;

/**
 * Measures one operation. The row ends once the trail has caught up, so the work that
 * its requests leave for later is in its CPU. Requests per second are those of the load.
 */
export async function measure(
  { target, options }: { target: Target; options: Options },
  operation: Operation,
  round: number,
): Promise<Row> {
  await target.begin(operation);
  const warmup = await loadTarget({ target, options }, operation, options.warmup);
  const failures: Record<string, number> = {};
  await attempt(failures, () => catchUp(target));
  const watch = watchProcesses(await target.processes());
  const [driverBefore, machineBefore] = [process.cpuUsage(), readMachine()];
  const load = await loadTarget({ target, options }, operation, options.seconds);
  const [driver, machine] = [process.cpuUsage(driverBefore), readMachine()];
  const catchUpSeconds = (await attempt(failures, () => catchUp(target))) ?? NaN;
  const { cpuMs, peakRssMiB } = watch.end();
  const requests = load.tookMs.length;
  const verified = await attempt(failures, () => target.verify(operation));
  await attempt(failures, () => target.clean());
  await attempt(failures, () => catchUp(target));
  return {
    operation,
    target: target.name,
    round,
    concurrency: concurrencyOf(options, operation),
    requests,
    errors: load.failed + warmup.failed + Object.keys(failures).length + (requests > 0 ? 0 : 1),
    errorKinds: { ...warmup.errors, ...load.errors, ...failures },
    seconds: load.seconds,
    perSecond: requests / load.seconds,
    p50Ms: percentile(load.tookMs, 0.5),
    p99Ms: percentile(load.tookMs, 0.99),
    catchUpSeconds,
    cpuMs: Object.fromEntries(Object.entries(cpuMs).map(([group, ms]) => [group, ms / requests])),
    driverCpuMs: (driver.user + driver.system) / 1_000 / requests,
    idlePercent:
      (100 * (machine.idle - machineBefore.idle)) / (machine.total - machineBefore.total),
    peakRssMiB,
    verified: verified ?? 0,
  };
}
