import type { Kysely } from 'kysely';
import type { LoopLogger, RecordEvent } from '@muniment/audit-events';
import type { VerifierKey } from '@muniment/audit-verify';
import type { HeldLease } from '@muniment/database';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import {
  dropArchivedMonth,
  findArchive,
  readMonthContent,
  listMonthsToArchive,
  insertArchive,
  type Archive,
} from './archive-queries.ts';
import { findLatestCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import type { Tree } from '../proofs/tree/tree.ts';
import type { Tables } from '../tables.ts';
import { announce } from './announce.ts';
import { archiveLines } from './archive-lines.ts';
import { abortUploads, putCompressed } from './archive-object.ts';
import { runWithRetentionLease } from './retention-lease.ts';
import { verifyArchive } from './verify-archive.ts';

export interface RetentionOptions {
  /** As `audit_service`. */
  db: Kysely<Tables>;
  /** As `audit_retention`. */
  retentionDb: Kysely<unknown>;
  bucket: Pick<AuditBucket, 'name' | 'client'>;
  tree: Pick<Tree, 'hashRange'>;
  /** An archive must verify under these before anything is dropped. */
  keys: readonly VerifierKey[];
  recordEvent: RecordEvent;
  replica: string;
  log: LoopLogger;
  /** Age above which a whole month is moved; at least 1. */
  months: number;
  leaseTtlMs?: number;
}

export const archivePrefix = (month: string): string => `archives/${month}/`;

/**
 * Writes a month's archive and records it.
 * @returns undefined while the month is not fully sealed under a checkpoint
 */
async function writeArchive(
  { db, retentionDb, bucket, tree, keys, log }: RetentionOptions,
  month: string,
  { lease, renew }: HeldLease,
): Promise<Archive | undefined> {
  const content = await readMonthContent(db, month);
  const checkpoint = await findLatestCheckpoint(db);
  if (
    !checkpoint ||
    content.sealed !== content.rows ||
    checkpoint.size <= (content.last_index ?? -1)
  ) {
    log.info(
      { month, ...content, checkpoint: checkpoint?.size },
      'a month is not archived yet: not all of it is sealed under a checkpoint',
    );
    return undefined;
  }
  await abortUploads(bucket, archivePrefix(month));
  const { rows, first_index, last_index } = content;
  const object_key = `${archivePrefix(month)}${checkpoint.size}-${lease.epoch}.ndjson.gz`;
  const stored = await putCompressed(
    bucket,
    object_key,
    archiveLines({ db, tree, onPage: renew }, month, content, checkpoint),
  );
  const archive: Archive = {
    month,
    object_key,
    rows,
    first_index,
    last_index,
    tree_size: checkpoint.size,
    ...stored,
  };
  await verifyArchive(bucket, archive, keys, renew);
  await insertArchive(retentionDb, archive, lease);
  log.info({ month, object_key, rows, bytes: stored.bytes }, 'a month was archived');
  return archive;
}

/**
 * The recorded archive if it holds the partition's rows: after a restore it is not written again.
 */
async function findValidArchive(
  { db, bucket, keys, log }: RetentionOptions,
  month: string,
  { renew }: HeldLease,
): Promise<Archive | undefined> {
  const archive = await findArchive(db, month);
  if (!archive) return undefined;
  const content = await readMonthContent(db, month);
  if (
    content.rows !== archive.rows ||
    content.first_index !== archive.first_index ||
    content.last_index !== archive.last_index
  )
    return undefined;
  try {
    await verifyArchive(bucket, archive, keys, renew);
    return archive;
  } catch (error) {
    log.warn({ err: error, month }, 'an archive on record does not verify; it is written again');
    return undefined;
  }
}

/**
 * Moves each month older than the policy into the bucket. It drops a partition only after reading
 * the archive back and verifying it against the pinned keys. It can be killed anywhere and run
 * again.
 * @returns the moved months; undefined while another replica works
 */
export async function retain(options: RetentionOptions): Promise<string[] | undefined> {
  const { db, retentionDb, months, log, recordEvent } = options;
  return runWithRetentionLease(options, async (held) => {
    const moved: string[] = [];
    await announce(db, recordEvent);
    for (const month of await listMonthsToArchive(db, months)) {
      const archive =
        (await findValidArchive(options, month, held)) ??
        (await writeArchive(options, month, held));
      if (!archive) continue;
      await held.renew();
      await dropArchivedMonth(retentionDb, { month, months }, held.lease);
      log.info({ month, rows: archive.rows }, 'an archived month was dropped');
      moved.push(month);
      await announce(db, recordEvent);
    }
    return moved;
  });
}
