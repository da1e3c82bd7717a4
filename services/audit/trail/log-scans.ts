import { sql, type Kysely } from 'kysely';
import { SOURCES } from '@muniment/audit-events';
import type { Tables } from '../tables.ts';
import { allOf, listConditions, type Condition } from './log-conditions.ts';
import type { LogQuery } from './log-query.ts';

/** A view of the log at one size, newest first. */
export interface ListPage {
  /** Only events with a smaller index. */
  size: number;
  /** Only events with a smaller id. */
  before: string;
  limit: number;
  /** Candidates that one scan examines. Common filters that rarely meet would else read the log. */
  examine: number;
}

/** The ids that a scan reads: from `floor` to before `before`. */
export interface IdRange {
  floor: string;
  before: string;
}

/** An index whose entries with these values are read. */
interface Driver {
  /** What the index begins with, an expression that no other index has. */
  key: string;
  type: 'text' | 'uuid';
  values: readonly string[];
  /** The columns whose filters it ensures. */
  ensures: readonly string[];
  /** The condition of a partial index, word for word. */
  where?: Condition;
}

const OUTCOMES = ['success', 'failure'];
/** A prefix with more actions than these is not rare: the log itself is scanned. */
const MAX_ACTIONS = 64;

export const eventColumns = sql.raw(
  'e.id, s.index, e.subject, e.record, ' +
    'e.personal_key_id, e.personal_nonce, e.personal_ciphertext',
);
// OFFSET 0 makes the planner look up each candidate. A hash or merge join would read all of the
// log.
export const placeInLog = sql`
  cross join lateral (select index from audit.sealed where event_id = e.id offset 0) s`;

/** The scans whose results, merged, are a list's page. */
export async function chooseScans(
  db: Kysely<Tables>,
  query: LogQuery,
  { range, page }: { range: IdRange; page: ListPage },
): Promise<Condition[]> {
  const { filter, visibility, terms } = query;
  const driven = (driver: Driver): Condition =>
    drivenScan(driver, listConditions(query, new Set(driver.ensures)), { range, page });
  if (filter.request_id !== undefined) return [driven(oneValue('request_id', filter.request_id))];
  if (filter.session_id !== undefined)
    return [driven(oneValue('session_id', filter.session_id, 'uuid'))];
  if (filter.resource !== undefined) return [driven(oneValue('resource', filter.resource))];
  const [term, ...otherTerms] = terms;
  if (term) return [termScan(term, listConditions(query, new Set(), otherTerms), { range, page })];
  if (visibility.concerning !== undefined)
    return concerningScans(query, visibility.concerning, { range, page });
  const driver = await chooseDriver(db, query);
  return [driver ? driven(driver) : plainScan(listConditions(query), { range, page })];
}

/** Two scans, each in the order of its own index: an OR would read a whole history and sort it. */
function concerningScans(
  query: LogQuery,
  userId: string,
  place: { range: IdRange; page: ListPage },
): Condition[] {
  const { actor } = query.filter;
  const bySubject = listConditions(query, new Set(['subject', 'concerning']));
  const byActor = [
    ...listConditions(query, new Set(['user_id', 'concerning'])),
    ...(actor === undefined ? [] : [sql`e.user_id::text = ${actor}`]),
  ];
  return [
    drivenScan(oneValue('subject', userId), bySubject, place),
    drivenScan({ ...ABOUT_OTHERS, values: [userId] }, byActor, place),
  ];
}

/**
 * Most of a user's events are about themselves, so the scan by actor would pass over all that the
 * other scan finds. The text in place of the uuid pins it to the index of the few.
 */
const ABOUT_OTHERS = {
  key: 'e.user_id::text',
  type: 'text',
  ensures: [],
  where: sql`e.subject is distinct from e.user_id::text`,
} as const;

const oneValue = (column: string, value: string, type: Driver['type'] = 'text'): Driver => ({
  key: `e.${column}`,
  type,
  values: [value],
  ensures: [column],
});

/** The filter that leaves the fewest rows; the others are checked on what it finds. */
async function chooseDriver(
  db: Kysely<Tables>,
  { filter, visibility }: LogQuery,
): Promise<Driver | undefined> {
  if (filter.actor !== undefined) return oneValue('user_id', filter.actor, 'uuid');
  const tenant = visibility.within?.tenant_id ?? filter.tenant_id;
  if (tenant !== undefined) return oneValue('tenant_id', tenant);
  if (filter.action !== undefined) return oneValue('action', filter.action);
  if (filter.resource_type !== undefined) return oneValue('resource_type', filter.resource_type);
  if (filter.actionPrefix !== undefined && visibility.concerning === undefined) {
    const actions = await findActions(db, filter.actionPrefix);
    if (actions) return { key: 'e.action', type: 'text', values: actions, ensures: ['action'] };
  }
  if (filter.source === undefined && filter.outcome === undefined) return undefined;
  const sources = filter.source === undefined ? SOURCES : [filter.source];
  const outcomes = filter.outcome === undefined ? OUTCOMES : [filter.outcome];
  return {
    // As two columns the planner took half of the order from the index of lanes, and sorted.
    key: "(e.source || ' ' || e.outcome)",
    type: 'text',
    values: sources.flatMap((source) => outcomes.map((outcome) => `${source} ${outcome}`)),
    ensures: ['source', 'outcome'],
  };
}

/** The actions with a prefix, by leaps through the index; undefined when too many to merge. */
async function findActions(db: Kysely<Tables>, prefix: string): Promise<string[] | undefined> {
  // The database compares by code point (C.UTF-8), and actions are ASCII: raising the last
  // character gives the first text behind all actions with the prefix.
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  const { rows } = await sql<{ action: string }>`
    with recursive found as (
      (select action, 1 as number from audit.events
        where action >= ${prefix} and action < ${end} order by action limit 1)
      union all
      select next.action, number + 1 from found
      cross join lateral (
        select action from audit.events
        where action > found.action and action < ${end} order by action limit 1
      ) next
      where number <= ${MAX_ACTIONS}
    ) select action from found`.execute(db);
  return rows.length > MAX_ACTIONS ? undefined : rows.map(({ action }) => action);
}

interface Candidates {
  /** The rows in the scan's order, numbered. */
  from: Condition;
  /** Their alias. */
  alias: 'e' | 't';
  id: Condition;
  order: Condition;
}

/**
 * The matches among the first candidates. The last candidate comes too, matching or not: it shows
 * how far back the scan has looked.
 */
function examine(
  { from, alias, id, order }: Candidates,
  conditions: readonly Condition[],
  page: ListPage,
): Condition {
  const matches = sql`(s.index < ${page.size} and ${allOf(conditions)})`;
  const isLast = sql`${sql.ref(alias)}.number = ${page.examine}`;
  return sql`
    select ${eventColumns}, ${id} as candidate, ${isLast} as is_last,
      case when ${isLast} then coalesce(${matches}, false) else true end as matches
    from ${from}
    left join lateral (select index from audit.sealed where event_id = e.id offset 0) s on true
    where ${matches} or ${isLast} ${order} limit ${page.limit}`;
}

/**
 * The first candidates with their numbers. The order is said again, or the planner would forget it
 * and sort them all. A limit that it does not know makes it take the index in its order.
 */
function numbered(
  candidates: Condition,
  { alias, order }: Pick<Candidates, 'alias' | 'order'>,
  page: ListPage,
): Condition {
  const name = sql.ref(alias);
  return sql`(select ${name}.*, row_number() over () as number
    from (${candidates} limit (select ${page.examine}::int8)) ${name} ${order}) ${name}`;
}

/**
 * The newest matching events of each value of a driver. Comparing rows pins the scan to the index
 * on the key and the id. The plain range of ids prunes partitions; `is not null` allows partial
 * indexes.
 */
function drivenScan(
  { key: expression, type, values, where = sql`true` }: Driver,
  conditions: readonly Condition[],
  { range, page }: { range: IdRange; page: ListPage },
): Condition {
  const key = sql.raw(expression);
  const candidates = sql`
    select e.*, ${key} as key from audit.events e
    where (${key}, e.id) >= (d.key, ${range.floor}::uuid)
      and (${key}, e.id) < (d.key, ${range.before}::uuid)
      and e.id >= ${range.floor}::uuid and e.id < ${range.before}::uuid
      and ${key} is not null and ${where}
    order by ${key} desc, e.id desc`;
  const order = sql`order by e.key desc, e.id desc`;
  const from = numbered(candidates, { alias: 'e', order }, page);
  return sql`
    select x.* from unnest(${values}::${sql.raw(type)}[]) as d(key)
    cross join lateral (
      ${examine({ from, alias: 'e', id: sql`e.id`, order }, conditions, page)}
    ) x`;
}

function termScan(
  term: Buffer,
  conditions: readonly Condition[],
  { range, page }: { range: IdRange; page: ListPage },
): Condition {
  const order = sql`order by t.term desc, t.event_id desc`;
  const candidates = sql`
    select t.term, t.event_id from audit.search_terms t
    where (t.term, t.event_id) >= (${term}::bytea, ${range.floor}::uuid)
      and (t.term, t.event_id) < (${term}::bytea, ${range.before}::uuid) ${order}`;
  // OFFSET 0, as in `placeInLog`.
  const from = sql`${numbered(candidates, { alias: 't', order }, page)}
    left join lateral (select * from audit.events where id = t.event_id offset 0) e on true`;
  return examine({ from, alias: 't', id: sql`t.event_id`, order }, conditions, page);
}

function plainScan(
  conditions: readonly Condition[],
  { range, page }: { range: IdRange; page: ListPage },
): Condition {
  const order = sql`order by e.id desc`;
  const candidates = sql`
    select e.* from audit.events e
    where e.id >= ${range.floor}::uuid and e.id < ${range.before}::uuid ${order}`;
  const from = numbered(candidates, { alias: 'e', order }, page);
  return examine({ from, alias: 'e', id: sql`e.id`, order }, conditions, page);
}
