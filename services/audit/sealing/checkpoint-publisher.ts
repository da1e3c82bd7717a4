import type { Kysely } from 'kysely';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { HistoryAltered } from '../errors.ts';
import { listCheckpointsAfter } from '../proofs/checkpoint-queries.ts';
import type { Tables } from '../tables.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';

export interface CheckpointPublisherOptions {
  db: Kysely<Tables>;
  bucket: AuditBucket;
  notary: CheckpointSigner;
  /** For how long nobody may delete the objects, where the bucket can lock them. */
  lockDays: number;
}

/** Puts every checkpoint where the database's owner cannot reach it. */
export interface CheckpointPublisher {
  /**
   * Brings the bucket up to date. The first time, and after `forget`, it holds the tree against the newest checkpoint there.
   * @throws HistoryAltered; whatever S3 throws when it is out of reach
   */
  publish(signal: AbortSignal): Promise<void>;
  /** The next `publish` compares again. */
  forget(): void;
  /** Size of the newest checkpoint in the bucket, as far as this replica knows. */
  published(): number | undefined;
}

const PREFIX = 'checkpoints/';
const DIGITS = 16; // of 2^53 - 1
const BATCH = 100;
const MAX_ALIENS = 1_000;
const DAY_MS = 24 * 60 * 60_000;

/** Keys are in the order of sizes. */
const keyOf = (size: number): string => `${PREFIX}${String(size).padStart(DIGITS, '0')}`;
const sizeOf = (key: string): number | undefined =>
  /^checkpoints\/\d{16}$/.test(key) ? Number(key.slice(PREFIX.length)) : undefined;

/** Size of the largest checkpoint in the bucket. It holds millions of keys after a year, and S3 lists upwards only: hence by halving, in some 50 short requests. */
async function findNewest(bucket: AuditBucket, near: number): Promise<number | undefined> {
  const nextFrom = async (size: number): Promise<number | undefined> => {
    // '/' stands before the digits.
    let key = await bucket.first(PREFIX, size === 0 ? `${PREFIX}/` : keyOf(size - 1));
    // Whoever may put objects there must not be able to hide what they stand before.
    for (let aliens = 0; key !== undefined && sizeOf(key) === undefined; aliens += 1) {
      if (aliens === MAX_ALIENS)
        throw new Error(`the bucket holds objects under ${PREFIX} that are no checkpoints: ${key}`);
      key = await bucket.first(PREFIX, key);
    }
    return key === undefined ? undefined : sizeOf(key);
  };
  let low = await nextFrom(0);
  if (low === undefined) return undefined;
  let high = Number.MAX_SAFE_INTEGER;
  // Nearly always the newest is what the database has as well.
  for (const probe of [near + 1, near]) {
    if (probe <= low || probe > high) continue;
    const next = await nextFrom(probe);
    if (next === undefined) high = probe - 1;
    else low = next;
  }
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    const next: number | undefined = await nextFrom(middle);
    if (next === undefined) high = middle - 1;
    else low = next;
  }
  return low;
}

export function createCheckpointPublisher({
  db,
  bucket,
  notary,
  lockDays,
}: CheckpointPublisherOptions): CheckpointPublisher {
  let published: number | undefined;
  let compared = false;
  let locks: boolean | undefined;

  async function compare(): Promise<void> {
    const stored = await notary.observe();
    const newest = await findNewest(bucket, stored?.size ?? 0);
    if (newest !== undefined) {
      const note = await bucket.get(keyOf(newest));
      if (!note) throw new Error(`the checkpoint of ${newest} leaves has gone from the bucket`);
      const size = await notary.compare(note);
      if (size !== newest)
        throw new HistoryAltered(`the object ${keyOf(newest)} is the checkpoint of ${size} leaves`);
    }
    published = newest;
    compared = true;
  }

  return {
    async publish(signal) {
      if (!compared) await compare();
      locks ??= await bucket.locks();
      for (;;) {
        const next = await listCheckpointsAfter(db, published ?? -1, BATCH);
        for (const { size, note } of next) {
          if (signal.aborted) return;
          const key = keyOf(size);
          const retainUntil = locks ? new Date(Date.now() + lockDays * DAY_MS) : undefined;
          if (!(await bucket.putOnce(key, note, 'text/plain; charset=utf-8', retainUntil))) {
            // Somebody was faster; it must have said the same.
            const there = await bucket.get(key);
            if (there && !Buffer.from(there).equals(Buffer.from(note)))
              throw new HistoryAltered(`the bucket has another checkpoint of ${size} leaves`);
          }
          published = size;
        }
        if (next.length < BATCH) return;
      }
    },
    forget: () => {
      compared = false;
    },
    published: () => published,
  };
}
