import { randomBytes, randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import type { MasterKey } from '@muniment/master-key';

const BATCH = 200;

/**
 * Gives a subject a new key for what is sealed from now on. The old one stays for the blocks that name it, so nothing sealed is written again;
 * replicas seal under the new key within a minute. Needs the audit service's role.
 * @returns false when the subject has no key, or is erased and gets none
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

/** Rotates every key made before `olderThan`, oldest first. May be broken off and begun again. @returns how many subjects have a new key */
export async function rotateSubjectKeys<DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
  olderThan: Date,
): Promise<number> {
  // A key made by this run must not be taken up by it again, should `olderThan` lie ahead.
  const before = new Date(Math.min(olderThan.getTime(), Date.now()));
  let rotated = 0;
  for (;;) {
    const { rows } = await sql<{
      subject: string;
    }>`select subject from keys.list_keys_to_rotate(${before}, ${BATCH})`.execute(db);
    for (const { subject } of rows)
      if (await rotateSubjectKey(db, masterKey, subject)) rotated += 1;
    if (rows.length < BATCH) return rotated;
  }
}
