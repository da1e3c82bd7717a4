import { sql, type Kysely } from 'kysely';
import { formatUuid } from '@muniment/server';
import type { Tables } from '../tables.ts';
import { allOf, listConditions } from './log-conditions.ts';
import type { LogQuery } from './log-query.ts';
import { chooseScans, eventColumns, placeInLog, type IdRange, type ListPage } from './log-scans.ts';
import type { Visibility } from './readers/visibility.ts';

/** A sealed event, as an entry of the trail is rendered from it. */
export interface LoggedEvent {
  id: string;
  /** Its leaf in the Merkle log. */
  index: number;
  subject: string | null;
  record: string;
  personal_key_id: string | null;
  personal_nonce: string | null;
  personal_ciphertext: string | null;
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/**
 * An id has the time of the request's start, by the gateway's clock; the timestamp is that of its
 * recording. By so much the id may be earlier or later.
 */
const ID_EARLIER_MS = 10 * 60_000;
const ID_LATER_MS = 10_000;

/** The lowest id of a millisecond. */
function idFloor(ms: number): string {
  const hex = Math.min(Math.max(Math.trunc(ms), 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return formatUuid(hex.padEnd(32, '0'));
}

function idRange({ from, to }: LogQuery['filter'], before: string): IdRange {
  const end = to && idFloor(to.getTime() + ID_LATER_MS);
  return {
    floor: from ? idFloor(from.getTime() - ID_EARLIER_MS) : FIRST_ID,
    before: end !== undefined && end < before ? end : before,
  };
}

function idAfter(id: string): string {
  if (id === LAST_ID) return id;
  const next = BigInt(`0x${id.replaceAll('-', '')}`) + 1n;
  return formatUuid(next.toString(16).padStart(32, '0'));
}

/**
 * How many events are sealed, and the first id behind theirs. A list starts there: during an outage
 * of the sealer it would pass over all that has arrived since, row by row.
 */
export async function findLogEnd(db: Kysely<Tables>): Promise<{ size: number; before: string }> {
  // Only statements with parameters are prepared. Unprepared it was planned anew for each page.
  const one = 1;
  const { rows } = await sql<{ size: number; newest: string | null }>`
    select
      coalesce((select index + 1 from audit.sealed order by index desc limit ${one}), 0)::int8
        as size,
      (select event_id from audit.sealed order by event_id desc limit ${one}) as newest`.execute(
    db,
  );
  return { size: rows[0]?.size ?? 0, before: idAfter(rows[0]?.newest ?? FIRST_ID) };
}

/** Part of a list, newest first. */
export interface ExaminedEvents {
  events: LoggedEvent[];
  /** Everything from this id on was examined; undefined when nothing is left before it. */
  examinedTo: string | undefined;
}

/** A match, or the last event that a scan has looked at. */
interface Candidate extends LoggedEvent {
  candidate: string;
  is_last: boolean;
  matches: boolean;
}

/** Part of the log as it was at `page.size` entries, newest first. */
export async function listNewestFirst(
  db: Kysely<Tables>,
  query: LogQuery,
  page: ListPage,
): Promise<ExaminedEvents> {
  const range = idRange(query.filter, page.before);
  const scans = await chooseScans(db, query, { range, page });
  const union = sql.join(
    scans.map((scan) => sql`(${scan})`),
    sql` union all `,
  );
  const { rows } = await sql<Candidate>`
    select * from (${union}) found order by candidate desc limit ${page.limit}`.execute(db);
  // Behind the first scan's end the others' matches wait for the next part, or it would skip some.
  const end = rows.findIndex(({ is_last: isLast }) => isLast);
  const examined = end < 0 ? rows : rows.slice(0, end + 1);
  const events = examined.filter(({ matches }) => matches);
  const isMore = end >= 0 || rows.length === page.limit;
  return { events, examinedTo: isMore ? examined.at(-1)?.candidate : undefined };
}

/** Matching entries from `from` to before `to`, in the log's order. Archived events are absent. */
export async function listByIndex(
  db: Kysely<Tables>,
  query: LogQuery,
  range: { from: number; to: number; limit: number },
): Promise<LoggedEvent[]> {
  const { rows } = await sql<LoggedEvent>`
    select ${eventColumns} from audit.sealed s
    cross join lateral (select * from audit.events where id = s.event_id offset 0) e
    where s.index >= ${range.from} and s.index < ${range.to}
      and ${allOf(listConditions(query))}
    order by s.index limit ${range.limit}`.execute(db);
  return rows;
}

/** One sealed entry that the reader may see, with the users it concerns. */
export async function findLogEntry(
  db: Kysely<Tables>,
  visibility: Visibility,
  id: string,
): Promise<(LoggedEvent & { concerns: (string | null)[] }) | undefined> {
  const conditions = listConditions({ filter: {}, visibility, terms: [] });
  const { rows } = await sql<LoggedEvent & { concerns: (string | null)[] }>`
    select ${eventColumns}, array[e.subject, e.user_id::text] as concerns
    from audit.events e ${placeInLog}
    where e.id = ${id}::uuid and ${allOf(conditions)}`.execute(db);
  return rows[0];
}
