import { sql, type Kysely, type Transaction } from 'kysely';
import type { StatusChangesTable, Tables } from '../tables.ts';

/** What a change of status has ended. A trigger writes it, whoever makes the change. */
export type StatusChange = Omit<StatusChangesTable, 'id' | 'changed_in' | 'changed_at'> & {
  changed_at: Date;
};

const columns = [
  'user_id',
  'previous',
  'status',
  'sessions_ended',
  'api_tokens_revoked',
  'changed_at',
] as const;

/** Consumes this transaction's change of a locked user, whose event the caller records. */
export async function consumeStatusChange(
  trx: Transaction<Tables>,
  userId: string,
): Promise<StatusChange | undefined> {
  return trx
    .deleteFrom('identity.status_changes')
    .where('user_id', '=', userId)
    .where('changed_in', '=', sql<string>`pg_current_xact_id()`)
    .returning(columns)
    .executeTakeFirst();
}

/** Consumes changes that an operator's SQL has made, in order. Of two replicas one gets each. */
export async function consumeStatusChanges(
  trx: Kysely<Tables>,
  limit: number,
): Promise<(StatusChange & { id: number })[]> {
  const changes = await trx
    .deleteFrom('identity.status_changes')
    .where('id', 'in', (query) =>
      query.selectFrom('identity.status_changes').select('id').orderBy('id').limit(limit),
    )
    .returning(['id', ...columns])
    .execute();
  return changes.toSorted((one, other) => one.id - other.id);
}
