import type { Rows } from '@muniment/testing';
import { INSERT_CROWD } from '../../services/user/test/directory/crowd.ts';
import type { Measurement } from '../report.ts';
import { costOf, pidOf } from './database-cpu.ts';

const NEW_USERS = 2_000;
/** Behind every number of a crowd. */
const FIRST = 10_000_000;
const DIRECTORY_INDEXES = `users_aws_cognito_id, identity.users_external_id,
  identity.users_verified_phone, identity.users_phone, identity.users_by_created,
  identity.users_by_type, identity.users_by_status, identity.users_by_country_code,
  identity.users_by_last_active`;
const WITHOUT_TERMS = 'alter table identity.users disable trigger users_index_terms';
const WITHOUT_INDEXES = `${WITHOUT_TERMS}; drop index identity.${DIRECTORY_INDEXES}`;

/** Inserts users, in a transaction that leaves nothing. @returns ms and bytes of WAL of each */
async function measureInsert(rows: Rows, prepare: string): Promise<{ ms: number; wal: number }> {
  const position = async (): Promise<number> =>
    (await rows<{ at: number }>(`select (pg_current_wal_insert_lsn() - '0/0')::float8 as at`))[0]
      ?.at ?? 0;
  await rows('begin');
  if (prepare) await rows(prepare);
  const before = await position();
  const ms = await costOf(await pidOf(rows), () =>
    rows(INSERT_CROWD, [FIRST, FIRST + NEW_USERS, FIRST + NEW_USERS]),
  );
  const wal = (await position()) - before;
  await rows('rollback');
  return { ms: ms / NEW_USERS, wal: wal / NEW_USERS };
}

/** What a user's creation costs the database for being listed and found. */
export async function measureNewUser(rows: Rows): Promise<Measurement[]> {
  const bare = await measureInsert(rows, WITHOUT_INDEXES);
  const listed = await measureInsert(rows, WITHOUT_TERMS);
  const found = await measureInsert(rows, '');
  const row = (what: string, more: typeof bare, less: typeof bare): Measurement => ({
    what: `a new user costs more for ${what}`,
    value: more.ms - less.ms,
    unit: 'ms of PostgreSQL',
    beside:
      `${more.ms.toFixed(3)} beside ${less.ms.toFixed(3)} ms, ` +
      `${more.wal.toFixed(0)} beside ${less.wal.toFixed(0)} bytes of WAL`,
  });
  return [row('nine indexes', listed, bare), row('the terms of searches', found, listed)];
}
