import type { Kysely } from 'kysely';
import { createGather } from '@muniment/database';
import type { Tables } from '../tables.ts';
import { findUsersById, type AccountRow } from './user-queries.ts';

/** Finds a user by id; reads of the same moment share a statement. */
export type FindUser = (id: string) => Promise<AccountRow | undefined>;

/** Statements of reads at once: a second one hides the way to the database. */
const CONCURRENCY = 2;

export function createFindUser(db: Kysely<Tables>): FindUser {
  return createGather({
    concurrency: CONCURRENCY,
    async send(ids: readonly string[]) {
      const found = new Map((await findUsersById(db, ids)).map((user) => [user.id, user]));
      return ids.map((id) => found.get(id));
    },
  });
}
