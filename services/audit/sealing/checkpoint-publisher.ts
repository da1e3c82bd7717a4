import type { Kysely } from 'kysely';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { HistoryAltered } from '../errors.ts';
import { listCheckpointsAfter } from '../proofs/tree/checkpoint-queries.ts';
import type { Tables } from '../tables.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';

export interface CheckpointPublisherOptions {
  db: Kysely<Tables>;
  bucket: AuditBucket;
  signer: CheckpointSigner;
  /** How long the bucket refuses to delete the objects, where it supports locks. */
  lockDays: number;
}

/** Copies every checkpoint to where the database's owner cannot change it. */
export interface CheckpointPublisher {
  /**
   * Brings the bucket up to date. The first time, and after `recheck`, it compares the tree with
   * the newest checkpoint there.
   * @throws HistoryAltered; S3's error when it is out of reach
   */
  publish(signal: AbortSignal): Promise<void>;
  /** The next `publish` compares again. */
  recheck(): void;
  /** Size of the newest checkpoint in the bucket, as far as this replica knows. */
  published(): number | undefined;
}

const PREFIX = 'checkpoints/';
const DIGITS = 16; // of 2^53 - 1
const BATCH = 100;
const MAX_ALIENS = 1_000;
const DAY_MS = 24 * 60 * 60_000;

/** Keys sort by size. */
const keyOf = (size: number): string => `${PREFIX}${String(size).padStart(DIGITS, '0')}`;
const sizeOf = (key: string): number | undefined =>
  /^checkpoints\/\d{16}$/.test(key) ? Number(key.slice(PREFIX.length)) : undefined;

/**
 * Size of the largest checkpoint in the bucket. S3 lists upwards only, and a year makes millions of
 * keys: halving takes some 50 requests.
 */
async function findNewest(bucket: AuditBucket, near: number): Promise<number | undefined> {
  const nextFrom = async (size: number): Promise<number | undefined> => {
    // '/' stands before the digits.
    let key = await bucket.first(PREFIX, size === 0 ? `${PREFIX}/` : keyOf(size - 1));
    // Foreign objects must not hide the checkpoints that sort behind them.
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
  // The newest is nearly always the database's newest too.
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
  signer,
  lockDays,
}: CheckpointPublisherOptions): CheckpointPublisher {
  let published: number | undefined;
  let compared = false;
  let locks: boolean | undefined;

  async function compare(): Promise<void> {
    const stored = await signer.observe();
    const newest = await findNewest(bucket, stored?.size ?? 0);
    if (newest !== undefined) {
      const note = await bucket.get(keyOf(newest));
      if (!note) throw new Error(`the checkpoint of ${newest} leaves has gone from the bucket`);
      const size = await signer.compare(note);
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
          const options = { contentType: 'text/plain; charset=utf-8', retainUntil };
          if (!(await bucket.putOnce(key, note, options))) {
            // Another replica was faster. Its checkpoint must be the same.
            const there = await bucket.get(key);
            if (there && !Buffer.from(there).equals(Buffer.from(note)))
              throw new HistoryAltered(`the bucket has another checkpoint of ${size} leaves`);
          }
          published = size;
        }
        if (next.length < BATCH) return;
      }
    },
    recheck: () => {
      compared = false;
    },
    published: () => published,
  };
}
