import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { EventFilter } from './filter.ts';
import type { Tables } from '../tables.ts';
import type { Visibility } from './visibility.ts';

/** What an entry of the trail is rendered from. */
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

/** A filter with the e-mail and the address as their search terms, for a reader. */
export interface LogQuery {
  visibility: Visibility;
  filter: Omit<EventFilter, 'ip' | 'email'>;
  /** HMACs; all of them must be the event's. */
  terms: readonly Buffer[];
}

/** A view of the log at one size, newest first. */
export interface ListPage {
  /** Only events with a smaller index. */
  size: number;
  /** Only events with a smaller id. */
  before: string;
  limit: number;
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const SOURCES = ['user', 'file', 'audit', 'app'];
const OUTCOMES = ['success', 'failure'];
/** With more actions than these a prefix is no rare one, and the log itself is scanned. */
const MAX_ACTIONS = 64;
/**
 * The id of an event has the time of its request's beginning, by the gateway's clock; its timestamp is that of its recording. So much earlier or later
 * (clocks that differ) may the id's be.
 */
const ID_EARLIER_MS = 10 * 60_000;
const ID_LATER_MS = 10_000;

const columns = sql.raw(
  'e.id, s.index, e.subject, e.record, e.personal_key_id, e.personal_nonce, e.personal_ciphertext',
);
// OFFSET 0 keeps the planner from joining in another order than «look each candidate up»: hashing or merging would read all of the log for a page.
const placeInLog = sql`cross join lateral (select index from audit.sealed where event_id = e.id offset 0) s`;

type Condition = RawBuilder<unknown>;
const all = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);

/** The least id of a millisecond. */
function idFloor(ms: number): string {
  const hex = Math.min(Math.max(Math.trunc(ms), 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

const least = (...ids: string[]): string => ids.reduce((one, other) => (one < other ? one : other));

function idRange(
  { from, to }: LogQuery['filter'],
  before: string,
): { floor: string; before: string } {
  return {
    floor: from ? idFloor(from.getTime() - ID_EARLIER_MS) : FIRST_ID,
    before: to ? least(before, idFloor(to.getTime() + ID_LATER_MS)) : before,
  };
}

/**
 * What a candidate must fulfil. Written so that no index serves it (another collation, a cast): which index a list reads is decided below, and
 * a planner that takes another one for its own guess of how rare a value is reads millions of rows for a page.
 */
function conditions(
  { filter, visibility, terms }: LogQuery,
  drivenBy: ReadonlySet<string>,
  termsLeft: readonly Buffer[] = terms,
): Condition[] {
  const found: Condition[] = [];
  for (const column of [
    'outcome',
    'resource',
    'resource_type',
    'request_id',
    'tenant_id',
    'source',
    'action',
  ] as const) {
    // What drives a viewer's list is its own tenant, not the one it asks for.
    const driven = drivenBy.has(column) && !(column === 'tenant_id' && visibility.within);
    if (filter[column] !== undefined && !driven)
      found.push(sql`e.${sql.ref(column)} collate "C" = ${filter[column]}`);
  }
  if (filter.actor !== undefined && !drivenBy.has('user_id'))
    found.push(sql`e.user_id::text = ${filter.actor}`);
  if (filter.session_id !== undefined && !drivenBy.has('session_id'))
    found.push(sql`e.session_id::text = ${filter.session_id}`);
  if (filter.actionPrefix !== undefined && !drivenBy.has('action'))
    found.push(sql`starts_with(e.action, ${filter.actionPrefix})`);
  if (filter.from) found.push(sql`e.timestamp >= ${filter.from}`);
  if (filter.to) found.push(sql`e.timestamp < ${filter.to}`);
  const { concerning, within, personal } = visibility;
  if (within)
    found.push(
      sql`e.tenant_id collate "C" = ${within.tenant_id}`,
      sql`e.source collate "C" = ${within.source}`,
    );
  if (concerning !== undefined && !drivenBy.has('concerning'))
    found.push(sql`(e.subject collate "C" = ${concerning} or e.user_id::text = ${concerning})`);
  for (const term of termsLeft)
    found.push(
      sql`exists (select from audit.search_terms t where t.term = ${term} and t.event_id = e.id)`,
    );
  // Finding an event by a value that its reader may not see would tell the value.
  if (terms.length > 0 && personal !== 'all')
    found.push(sql`e.subject collate "C" = ${personal.subject}`);
  return found;
}

interface Range {
  floor: string;
  before: string;
}

type Driver = {
  columns: readonly string[];
  type: 'text' | 'uuid';
  values: readonly (readonly string[])[];
};

/**
 * The newest matching events of each value of a driver. The comparison of whole rows pins the scan to the index over just these columns and the
 * id, in its order, whatever the statistics say; the plain range of ids beside it prunes partitions, and «is not null» lets partial indexes serve.
 */
function drivenScan(
  { columns: names, type, values }: Driver,
  range: Range,
  matching: readonly Condition[],
  { size, limit }: ListPage,
): Condition {
  const own = sql.join(names.map((name) => sql`e.${sql.ref(name)}`));
  const given = sql.join(names.map((name) => sql`d.${sql.ref(name)}`));
  const arrays = sql.join(
    names.map((_, column) => sql`${values.map((row) => row[column])}::${sql.raw(type)}[]`),
  );
  return sql`
    select x.* from unnest(${arrays}) as d(${sql.join(names.map((name) => sql.ref(name)))})
    cross join lateral (
      select ${columns} from audit.events e ${placeInLog}
      where (${own}, e.id) >= (${given}, ${range.floor}::uuid) and (${own}, e.id) < (${given}, ${range.before}::uuid)
        and e.id >= ${range.floor}::uuid and e.id < ${range.before}::uuid
        and ${all(names.map((name) => sql`e.${sql.ref(name)} is not null`))}
        and s.index < ${size} and ${all(matching)}
      order by ${sql.join(names.map((name) => sql`e.${sql.ref(name)} desc`))}, e.id desc limit ${limit}
    ) x`;
}

function termScan(
  term: Buffer,
  range: Range,
  matching: readonly Condition[],
  { size, limit }: ListPage,
): Condition {
  return sql`
    select ${columns} from audit.search_terms t
    cross join lateral (select * from audit.events where id = t.event_id offset 0) e ${placeInLog}
    where (t.term, t.event_id) >= (${term}::bytea, ${range.floor}::uuid) and (t.term, t.event_id) < (${term}::bytea, ${range.before}::uuid)
      and s.index < ${size} and ${all(matching)}
    order by t.term desc, t.event_id desc limit ${limit}`;
}

function plainScan(
  range: Range,
  matching: readonly Condition[],
  { size, limit }: ListPage,
): Condition {
  return sql`
    select ${columns} from audit.events e ${placeInLog}
    where e.id >= ${range.floor}::uuid and e.id < ${range.before}::uuid and s.index < ${size} and ${all(matching)}
    order by e.id desc limit ${limit}`;
}

/** The actions that begin with `prefix`, by leaping from one to the next in the index; undefined when they are too many to merge. */
async function actionsWithPrefix(
  db: Kysely<Tables>,
  prefix: string,
): Promise<string[] | undefined> {
  // The database compares by code point (C.UTF-8), and an action is ASCII: behind all that begin so stands the prefix with its last character raised.
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  const { rows } = await sql<{ action: string }>`
    with recursive found as (
      (select action, 1 as number from audit.events where action >= ${prefix} and action < ${end} order by action limit 1)
      union all
      select next.action, number + 1 from found
      cross join lateral (select action from audit.events where action > found.action and action < ${end} order by action limit 1) next
      where number <= ${MAX_ACTIONS}
    ) select action from found`.execute(db);
  return rows.length > MAX_ACTIONS ? undefined : rows.map(({ action }) => action);
}

const one = (column: string, value: string, type: Driver['type'] = 'text'): Driver => ({
  columns: [column],
  type,
  values: [[value]],
});

/** The filter whose index is read: the one that leaves fewest rows in any trail of ours. The others are checked on what it finds. */
async function chooseDriver(
  db: Kysely<Tables>,
  { filter, visibility }: LogQuery,
): Promise<Driver | undefined> {
  if (filter.actor !== undefined) return one('user_id', filter.actor, 'uuid');
  const tenant = visibility.within?.tenant_id ?? filter.tenant_id;
  if (tenant !== undefined) return one('tenant_id', tenant);
  if (filter.action !== undefined) return one('action', filter.action);
  if (filter.resource_type !== undefined) return one('resource_type', filter.resource_type);
  if (filter.actionPrefix !== undefined && visibility.concerning === undefined) {
    const actions = await actionsWithPrefix(db, filter.actionPrefix);
    if (actions)
      return { columns: ['action'], type: 'text', values: actions.map((action) => [action]) };
  }
  if (filter.source === undefined && filter.outcome === undefined) return undefined;
  const sources = filter.source === undefined ? SOURCES : [filter.source];
  const outcomes = filter.outcome === undefined ? OUTCOMES : [filter.outcome];
  return {
    columns: ['source', 'outcome'],
    type: 'text',
    values: sources.flatMap((source) => outcomes.map((outcome) => [source, outcome])),
  };
}

/** The scans whose results, merged, are a list's page. */
async function scansOf(
  db: Kysely<Tables>,
  query: LogQuery,
  range: Range,
  page: ListPage,
): Promise<Condition[]> {
  const { filter, visibility, terms } = query;
  const driven = (
    driver: Driver,
    alsoMatching: readonly Condition[] = [],
    ...covers: string[]
  ): Condition =>
    drivenScan(
      driver,
      range,
      [...conditions(query, new Set([...driver.columns, ...covers])), ...alsoMatching],
      page,
    );
  if (filter.request_id !== undefined) return [driven(one('request_id', filter.request_id))];
  if (filter.session_id !== undefined)
    return [driven(one('session_id', filter.session_id, 'uuid'))];
  if (filter.resource !== undefined) return [driven(one('resource', filter.resource))];
  const [term, ...otherTerms] = terms;
  if (term) return [termScan(term, range, conditions(query, new Set(), otherTerms), page)];
  const { concerning } = visibility;
  if (concerning !== undefined) {
    // Two scans, each in the order of its own index: an OR would read a whole history and sort it.
    const asSubject = driven(one('subject', concerning), [], 'concerning');
    const asActor = driven(
      one('user_id', concerning, 'uuid'),
      [
        sql`e.subject is distinct from ${concerning}`,
        ...(filter.actor === undefined ? [] : [sql`e.user_id::text = ${filter.actor}`]),
      ],
      'concerning',
    );
    return [asSubject, asActor];
  }
  const driver = await chooseDriver(db, query);
  return [driver ? driven(driver) : plainScan(range, conditions(query, new Set()), page)];
}

const uuidBehind = (id: string): string => {
  const hex = (BigInt(`0x${id.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0');
  return id === LAST_ID
    ? id
    : `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/**
 * How many events are sealed, and the first id behind all of theirs. A list begins there: while nothing is sealed, what has arrived since would
 * have to be passed over row by row.
 */
export async function findLogEnd(db: Kysely<Tables>): Promise<{ size: number; before: string }> {
  const { rows } = await sql<{ size: number; newest: string | null }>`
    select coalesce((select index + 1 from audit.sealed order by index desc limit 1), 0)::int8 as size,
      (select event_id from audit.sealed order by event_id desc limit 1) as newest`.execute(db);
  return { size: rows[0]?.size ?? 0, before: uuidBehind(rows[0]?.newest ?? FIRST_ID) };
}

/** A page of the log as it was at `page.size` entries, newest first. */
export async function listNewestFirst(
  db: Kysely<Tables>,
  query: LogQuery,
  page: ListPage,
): Promise<LoggedEvent[]> {
  const range = idRange(query.filter, page.before);
  const scans = await scansOf(db, query, range, page);
  const { rows } = await sql<LoggedEvent>`
    select * from (${sql.join(
      scans.map((scan) => sql`(${scan})`),
      sql` union all `,
    )}) found order by id desc limit ${page.limit}`.execute(db);
  return rows;
}

/** Entries `from` to before `to` of the log that match, in its order. An event whose partition was archived is not there any more. */
export async function listByIndex(
  db: Kysely<Tables>,
  query: LogQuery,
  range: { from: number; to: number; limit: number },
): Promise<LoggedEvent[]> {
  const { rows } = await sql<LoggedEvent>`
    select ${columns} from audit.sealed s
    cross join lateral (select * from audit.events where id = s.event_id offset 0) e
    where s.index >= ${range.from} and s.index < ${range.to} and ${all(conditions(query, new Set()))}
    order by s.index limit ${range.limit}`.execute(db);
  return rows;
}

/** One entry, if it is sealed and the reader sees it; with the users it concerns. */
export async function findLogEntry(
  db: Kysely<Tables>,
  visibility: Visibility,
  id: string,
): Promise<(LoggedEvent & { concerns: (string | null)[] }) | undefined> {
  const { rows } = await sql<LoggedEvent & { concerns: (string | null)[] }>`
    select ${columns}, array[e.subject, e.user_id::text] as concerns from audit.events e ${placeInLog}
    where e.id = ${id}::uuid and ${all(conditions({ filter: {}, visibility, terms: [] }, new Set()))}`.execute(
    db,
  );
  return rows[0];
}
