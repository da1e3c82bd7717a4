import type { Operation } from '../options.ts';
import type { ProcessGroups } from '../targets/target-spec.ts';

export type GroupFigures = Partial<Record<keyof ProcessGroups, number>>;

/** One measurement of one operation on one target. */
export interface Row {
  operation: Operation;
  /** A target, or a limit that it is compared with. */
  target: string;
  round: number;
  concurrency: number;
  requests: number;
  errors: number;
  errorKinds: Record<string, number>;
  seconds: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** From the last answer until every event was stored and sealed. */
  catchUpSeconds: number;
  /** CPU time by group until then, divided by the requests. */
  cpuMs: GroupFigures;
  driverCpuMs: number;
  /** Of all cores, during the load. */
  idlePercent: number;
  /** The highest sum of a group's processes. */
  peakRssMiB: GroupFigures;
  /** Uploads read back, or requests whose events were counted. */
  verified: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return NaN;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}
