import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';
import type { LogQuery } from '../trail/log-query.ts';

/** A sealed event with the columns that readers and filters use. */
export interface SealedEvent extends LoggedEvent {
  source: string;
  tenant_id: string | null;
  action: string;
  outcome: 'success' | 'failure';
  user_id: string | null;
  resource: string | null;
  resource_type: string | null;
  session_id: string | null;
  request_id: string;
  timestamp: Date;
}

const columns = sql.raw(`
  s.index, e.id, e.subject, e.record, e.personal_key_id, e.personal_nonce, e.personal_ciphertext,
  e.source, e.tenant_id, e.action, e.outcome, e.user_id, e.resource, e.resource_type, e.session_id,
  e.request_id, e.timestamp`);

/** The index of the newest sealed event; -1 when there is none. */
export async function findSealedHead(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ head: number }>`
    select coalesce(max(index), -1) as head from audit.sealed`.execute(db);
  return rows[0]?.head ?? -1;
}

/** The next sealed events after an index, for all readers. An archived one has only its index. */
export async function listSealedAfter(
  db: Kysely<Tables>,
  after: number,
  limit: number,
): Promise<(SealedEvent | { index: number; id: null })[]> {
  const { rows } = await sql<SealedEvent | { index: number; id: null }>`
    select ${columns} from audit.sealed s left join audit.events e on e.id = s.event_id
    where s.index > ${after} order by s.index limit ${limit}`.execute(db);
  return rows;
}

const EQUAL_COLUMNS = [
  'action',
  'outcome',
  'resource',
  'resource_type',
  'request_id',
  'tenant_id',
  'source',
  'session_id',
] as const;

/** Decides as `listByIndex` does, on an event in memory. */
export function isVisible(
  { visibility: { concerning, within }, filter }: Pick<LogQuery, 'visibility' | 'filter'>,
  event: SealedEvent,
): boolean {
  if (concerning !== undefined && event.subject !== concerning && event.user_id !== concerning)
    return false;
  if (within && (event.source !== within.source || event.tenant_id !== within.tenant_id))
    return false;
  return (
    EQUAL_COLUMNS.every(
      (column) => filter[column] === undefined || event[column] === filter[column],
    ) &&
    (filter.actor === undefined || event.user_id === filter.actor) &&
    (filter.actionPrefix === undefined || event.action.startsWith(filter.actionPrefix)) &&
    (filter.from === undefined || event.timestamp >= filter.from) &&
    (filter.to === undefined || event.timestamp < filter.to)
  );
}
