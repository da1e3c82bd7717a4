import { StringDecoder } from 'node:string_decoder';
import { RestoreImpossible } from '../errors.ts';
import {
  beginRestore,
  findArchive,
  finishRestore,
  stageRows,
  type ArchivedRow,
} from './archive-queries.ts';
import { announce } from './announce.ts';
import { readRowLine } from './archive-lines.ts';
import { readCompressed } from './archive-object.ts';
import { runWithRetentionLease } from './retention-lease.ts';
import type { RetentionOptions } from './retention.ts';
import { verifyArchive } from './verify-archive.ts';

const BATCH = 500;

export interface Restored {
  rows: number;
  /** Events without their personal values, since their key is destroyed. */
  unreadable: number;
}

/**
 * Brings a month back into the log for `keepDays`, after verifying its archive. The database
 * attaches the rows only if each is the leaf sealed at its index. It can be killed anywhere and run
 * again.
 * @throws RestoreImpossible, ArchiveRefuted
 */
export async function restoreMonth(
  options: Omit<RetentionOptions, 'months' | 'tree'>,
  month: string,
  keepDays: number,
): Promise<Restored> {
  const { db, retentionDb, bucket, keys, recordEvent } = options;
  const restored = await runWithRetentionLease(
    options,
    async ({ lease, renew }): Promise<Restored> => {
      const archive = await findArchive(db, month);
      if (!archive?.dropped_at) throw new RestoreImpossible(`there is no archive of ${month}`);
      await verifyArchive(bucket, archive, keys, renew);
      await beginRestore(retentionDb, month, lease);

      const decoder = new StringDecoder('utf8');
      let rest = '';
      let batch: ArchivedRow[] = [];
      const stage = async (): Promise<void> => {
        if (batch.length > 0) await stageRows(retentionDb, month, batch);
        batch = [];
        await renew();
      };
      await readCompressed(bucket, archive.object_key, async (chunk) => {
        const lines = (rest + decoder.write(chunk)).split('\n');
        rest = lines.pop() as string;
        for (const line of lines) {
          const row = readRowLine(line);
          if (row && batch.push(row) === BATCH) await stage();
        }
      });
      await stage();
      const unreadable = await finishRestore(retentionDb, { month, keepDays }, lease);
      await announce(db, recordEvent);
      return { rows: archive.rows, unreadable };
    },
  );
  if (!restored)
    throw new RestoreImpossible('retention is at work on another replica; try again later');
  return restored;
}
