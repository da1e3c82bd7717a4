import type { Row } from '../../peers/measure/row.ts';

/** A row without errors, with round numbers. */
export const createRow = (
  figures: Pick<Row, 'operation' | 'target' | 'perSecond'> & Partial<Row>,
): Row => ({
  round: 1,
  concurrency: 16,
  requests: 100,
  errors: 0,
  errorKinds: {},
  seconds: 1,
  p50Ms: 10,
  p99Ms: 20,
  catchUpSeconds: 0.5,
  cpuMs: { service: 1, nginx: 0.5, db: 0.25 },
  driverCpuMs: 0.1,
  idlePercent: 5,
  peakRssMiB: { service: 200, db: 100 },
  verified: 100,
  ...figures,
});
