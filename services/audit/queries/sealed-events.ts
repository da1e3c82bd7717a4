import { sql, type Kysely } from 'kysely';
import type { Reader } from '../reader.ts';
import type { Tables } from '../tables.ts';
import type { LoggedEvent } from './log.ts';

/** A sealed event with the columns that readers and filters look at. */
export interface SealedEvent extends LoggedEvent {
  source: string;
  tenant_id: string | null;
  action: string;
  outcome: 'success' | 'failure';
  user_id: string | null;
  resource: string | null;
}

export interface SealedFilter {
  action?: string | undefined;
  outcome?: string | undefined;
  resource?: string | undefined;
}

const columns = sql.raw(`s.index, e.id, e.subject, e.record, e.personal_key_id, e.personal_nonce, e.personal_ciphertext,
  e.source, e.tenant_id, e.action, e.outcome, e.user_id, e.resource`);

/** The index of the newest sealed event; -1 when there is none. */
export async function sealedHead(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ head: number }>`select coalesce(max(index), -1) as head from audit.sealed`.execute(db);
  return rows[0]?.head ?? -1;
}

/** The next sealed events after an index, whoever they concern. One whose month was moved to an archive has its index only. */
export async function readSealed(db: Kysely<Tables>, after: number, limit: number): Promise<(SealedEvent | { index: number; id: null })[]> {
  const { rows } = await sql<SealedEvent | { index: number; id: null }>`
    select ${columns} from audit.sealed s left join audit.events e on e.id = s.event_id
    where s.index > ${after} order by s.index limit ${limit}`.execute(db);
  return rows;
}

/** Sealed events in (after, upTo] that a reader may see and a filter passes, in the order of the log. */
export async function readSealedFor(
  db: Kysely<Tables>,
  reader: Reader,
  filter: SealedFilter,
  range: { after: number; upTo: number; limit: number },
): Promise<SealedEvent[]> {
  const userId = reader.kind === 'user' ? reader.userId : null;
  const tenantId = reader.kind === 'viewer' ? reader.tenantId : null;
  const { rows } = await sql<SealedEvent>`
    select ${columns} from audit.sealed s join audit.events e on e.id = s.event_id
    where s.index > ${range.after} and s.index <= ${range.upTo}
      and (${userId}::text is null or e.subject = ${userId}::text or e.user_id = ${userId}::uuid)
      and (${tenantId}::text is null or (e.source = 'app' and e.tenant_id = ${tenantId}))
      and (${filter.action ?? null}::text is null or e.action = ${filter.action ?? null})
      and (${filter.outcome ?? null}::text is null or e.outcome = ${filter.outcome ?? null})
      and (${filter.resource ?? null}::text is null or e.resource = ${filter.resource ?? null})
    order by s.index limit ${range.limit}`.execute(db);
  return rows;
}

/** What `readSealedFor` decides, of an event that is in memory already. */
export function isVisible(reader: Reader, filter: SealedFilter, event: SealedEvent): boolean {
  if (reader.kind === 'user' && event.subject !== reader.userId && event.user_id !== reader.userId) return false;
  if (reader.kind === 'viewer' && (event.source !== 'app' || event.tenant_id !== reader.tenantId)) return false;
  return (filter.action === undefined || event.action === filter.action)
    && (filter.outcome === undefined || event.outcome === filter.outcome)
    && (filter.resource === undefined || event.resource === filter.resource);
}
