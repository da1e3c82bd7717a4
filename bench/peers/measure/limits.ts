import { open, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { hashesPerSecond } from '../../requests/logins.ts';
import { FIXED } from '../load/content.ts';
import { runLoad } from '../load/run-load.ts';
import type { Operation } from '../options.ts';
import type { Run } from '../run/run.ts';
import type { Row } from './row.ts';

export const ARGON2_ALONE = 'argon2 alone';
export const HASH_COPY_FSYNC = 'SHA-256 + copy + fsync';

/** Stores a file as durably as an upload must be, without anything else. */
async function storeFile(file: string): Promise<void> {
  // Unlike createHash it runs in the thread pool, so all cores take part.
  await crypto.subtle.digest('SHA-256', FIXED['16m']);
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(FIXED['16m']);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rm(file);
}

type Limit = (run: Run) => Promise<Pick<Row, 'target' | 'concurrency' | 'perSecond'>>;

const limits: Partial<Record<Operation, Limit>> = {
  login: async ({ options }) => ({
    target: ARGON2_ALONE,
    concurrency: availableParallelism(),
    perSecond: await hashesPerSecond(options.seconds),
  }),
  'upload-16m': async ({ options, dataDir }) => {
    const { tookMs, seconds } = await runLoad(
      (worker) => storeFile(join(dataDir, `limit-${worker}`)),
      { workers: options.largeConcurrency, seconds: options.seconds, maxRequests: Infinity },
    );
    return {
      target: HASH_COPY_FSYNC,
      concurrency: options.largeConcurrency,
      perSecond: tookMs.length / seconds,
    };
  },
};

/** Measures the part of an operation that nobody can save, on the same cores and disk. */
export async function measureLimit(
  run: Run,
  operation: Operation,
  round: number,
): Promise<Row | undefined> {
  const result = await limits[operation]?.(run);
  return (
    result && {
      operation,
      round,
      ...result,
      requests: Math.round(result.perSecond * run.options.seconds),
      errors: 0,
      errorKinds: {},
      seconds: run.options.seconds,
      p50Ms: NaN,
      p99Ms: NaN,
      catchUpSeconds: NaN,
      cpuMs: {},
      driverCpuMs: NaN,
      idlePercent: NaN,
      peakRssMiB: {},
      verified: 0,
    }
  );
}
