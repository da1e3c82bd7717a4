import type { Kysely } from 'kysely';
import type { Tables, User } from '../tables.ts';

const columns = ['id', 'name', 'type', 'status', 'created'] as const;
export type ServiceAccount = Pick<User, (typeof columns)[number]>;

export async function findServiceAccount(
  db: Kysely<Tables>,
  id: string,
): Promise<ServiceAccount | undefined> {
  return db
    .selectFrom('identity.users')
    .select(columns)
    .where('id', '=', id)
    .where('service', '=', true)
    .executeTakeFirst();
}

/** Lists service accounts, newest first, behind the id `before`. */
export async function findServiceAccounts(
  db: Kysely<Tables>,
  { limit, before }: { limit: number; before: string | undefined },
): Promise<ServiceAccount[]> {
  return db
    .selectFrom('identity.users')
    .select(columns)
    .where('service', '=', true)
    .$if(before !== undefined, (query) => query.where('id', '<', before ?? ''))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}
