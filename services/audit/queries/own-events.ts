import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** What an entry of the trail is rendered from. */
export interface LoggedEvent {
  id: string;
  subject: string | null;
  record: string;
  personal_key_id: string | null;
  personal_nonce: string | null;
  personal_ciphertext: string | null;
}

export interface EventFilter {
  action?: string | undefined;
  outcome?: string | undefined;
  resource?: string | undefined;
  /** Inclusive. */
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
  /** Only events with a smaller id. */
  before?: string | undefined;
  limit: number;
}

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const columns = sql.raw('id, subject, record, personal_key_id, personal_nonce, personal_ciphertext');

/**
 * Events that concern a user, newest first: those they are the subject of and those they did. Two scans, each in the order of its own
 * index, merged: an OR would read the whole history and sort it. The text is constant, so it is planned once.
 */
export async function listOwnEvents(db: Kysely<Tables>, userId: string, filter: EventFilter): Promise<LoggedEvent[]> {
  const matching = sql`
    id < ${filter.before ?? LAST_ID}::uuid
    and (${filter.action ?? null}::text is null or action = ${filter.action ?? null})
    and (${filter.outcome ?? null}::text is null or outcome = ${filter.outcome ?? null})
    and (${filter.resource ?? null}::text is null or resource = ${filter.resource ?? null})
    and (${filter.from ?? null}::timestamptz is null or timestamp >= ${filter.from ?? null})
    and (${filter.to ?? null}::timestamptz is null or timestamp < ${filter.to ?? null})
    order by id desc limit ${filter.limit}`;
  const { rows } = await sql<LoggedEvent>`
    (select ${columns} from audit.events where subject = ${userId}::text and ${matching})
    union all
    (select ${columns} from audit.events where user_id = ${userId}::uuid and subject is distinct from ${userId}::text and ${matching})
    order by id desc limit ${filter.limit}`.execute(db);
  return rows;
}

/** One event if it concerns the user; another's answers as an absent one. */
export async function findOwnEvent(db: Kysely<Tables>, userId: string, id: string): Promise<LoggedEvent | undefined> {
  const { rows } = await sql<LoggedEvent>`
    select ${columns} from audit.events
    where id = ${id}::uuid and (subject = ${userId}::text or user_id = ${userId}::uuid)`.execute(db);
  return rows[0];
}
