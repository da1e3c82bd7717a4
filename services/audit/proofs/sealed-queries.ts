import { sql, type Kysely, type Transaction } from 'kysely';
import type { Reader } from '../trail/readers/reader.ts';
import type { Tables } from '../tables.ts';

/** Assigns indexes to the events from `first` on, in the order of `ids`. */
export async function insertSealed(
  trx: Transaction<Tables>,
  first: number,
  ids: readonly string[],
): Promise<void> {
  await sql`
    insert into audit.sealed (index, event_id)
    select ${first}::bigint + ordinality - 1, id
    from unnest(${ids}::uuid[]) with ordinality as s(id, ordinality)`.execute(trx);
}

export interface SealedLeaf {
  index: number;
  /** Null once its month is archived. */
  record: string | null;
  user_id: string | null;
  subject: string | null;
}

/** An event's place in the log, if the reader may see it. Archived events are for `all` only. */
export async function findSealedLeaf(
  db: Kysely<Tables>,
  reader: Reader,
  id: string,
): Promise<SealedLeaf | undefined> {
  const userId = reader.kind === 'user' ? reader.userId : null;
  const tenantId = reader.kind === 'viewer' ? reader.tenantId : null;
  const { rows } = await sql<SealedLeaf>`
    select s.index, e.record, e.user_id, e.subject
    from audit.sealed s left join audit.events e on e.id = ${id}::uuid
    where s.event_id = ${id}::uuid
      and (${userId}::text is null or e.subject = ${userId}::text or e.user_id = ${userId}::uuid)
      and (${tenantId}::text is null or (e.source = 'app' and e.tenant_id = ${tenantId}))`.execute(
    db,
  );
  return rows[0];
}

/** Records from an index on, in the log's order. Archived ones are absent. */
export async function listRecords(
  db: Kysely<Tables>,
  from: number,
  count: number,
): Promise<string[]> {
  const { rows } = await sql<{ record: string }>`
    select e.record from audit.sealed s join audit.events e on e.id = s.event_id
    where s.index >= ${from} and s.index < ${from + count} order by s.index`.execute(db);
  return rows.map(({ record }) => record);
}
