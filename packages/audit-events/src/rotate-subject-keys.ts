import { randomBytes, randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import type { MasterKey } from '@muniment/master-key';

const BATCH_SIZE = 200;

/**
 * Gives a subject a new key for new blocks; the old key stays for existing ones. Replicas use the
 * new key within a minute. Needs the audit service's role.
 * @returns false when the subject has no key, or is erased
 */
export async function rotateSubjectKey<DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
  subject: string,
): Promise<boolean> {
  const wrapped = await masterKey.wrap(randomBytes(32), `subject:${subject}`);
  const { rows } = await sql<{
    rotated: boolean;
  }>`select keys.rotate_subject_key(${subject}, ${randomUUID()}, ${wrapped}) as rotated`.execute(
    db,
  );
  return rows[0]?.rotated ?? false;
}

/**
 * Rotates every key made before `olderThan`, oldest first. It can be interrupted and run again.
 * @returns how many subjects have a new key
 */
export async function rotateSubjectKeys<DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
  olderThan: Date,
): Promise<number> {
  // A key that this run made must not be rotated again when `olderThan` lies in the future.
  const before = new Date(Math.min(olderThan.getTime(), Date.now()));
  let rotated = 0;
  for (;;) {
    const { rows } = await sql<{
      subject: string;
    }>`select subject from keys.list_keys_to_rotate(${before}, ${BATCH_SIZE})`.execute(db);
    for (const { subject } of rows)
      if (await rotateSubjectKey(db, masterKey, subject)) rotated += 1;
    if (rows.length < BATCH_SIZE) return rotated;
  }
}
