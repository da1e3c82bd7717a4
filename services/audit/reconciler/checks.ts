import { sql, type RawBuilder } from 'kysely';

export type DifferenceKind = 'row_without_event' | 'event_without_row' | 'change_without_event';
export type RowType = 'user' | 'session' | 'file';

/** What a check compares: rows and events of a time, or certain rows with all their events. */
export type Scope = { from: Date; to: Date } | { ids: readonly string[] };

export interface Check {
  kind: DifferenceKind;
  rowType: RowType;
  /**
   * Selects the differing ids (`id`, text) in one statement: rows and events must share a snapshot.
   */
  find(scope: Scope): RawBuilder<{ id: string }>;
}

/**
 * An event's id tells when it was recorded. Its row may be older by an upload, or younger by a
 * transaction.
 */
const SLACK = "interval '1 hour'";
/** Clocks of replicas and of the database may differ by seconds. */
const CLOCKS = "interval '10 seconds'";
/** Ended sessions are deleted after a week, so a younger one must have its row. */
const SESSION_KEPT = "interval '7 days'";

/**
 * Whether `id` names the row, found by the index: comparing text alone reads a million files in
 * 1.2 s, each minute. The id that a forged event names may be no UUID.
 */
const isRow = (id: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  r.id = case when pg_input_is_valid(${id}, 'uuid') then ${id}::uuid end and r.id::text = ${id}`;

const timeOf = (column: string, scope: Scope): RawBuilder<unknown> =>
  'ids' in scope
    ? sql`r.id in (
        select id::uuid from unnest(${scope.ids}::text[]) id where pg_input_is_valid(id, 'uuid'))`
    : sql`${sql.ref(`r.${column}`)} >= ${scope.from}::timestamptz
        and ${sql.ref(`r.${column}`)} < ${scope.to}::timestamptz`;
const near = (scope: Scope): RawBuilder<unknown> =>
  'ids' in scope
    ? sql`true`
    : sql`a.id between audit.uuid_floor(${scope.from}::timestamptz - ${sql.raw(SLACK)})
        and audit.uuid_floor(${scope.to}::timestamptz + ${sql.raw(SLACK)})`;
const within = (scope: Scope, id: RawBuilder<unknown>): RawBuilder<unknown> =>
  'ids' in scope
    ? sql`${id} = any(${scope.ids}::text[])`
    : sql`a.id >= audit.uuid_floor(${scope.from}::timestamptz)
        and a.id < audit.uuid_floor(${scope.to}::timestamptz)`;

// A file appears when its upload ends, which may be long after its row was inserted.
const settled = sql`and r.updated < now() - interval '1 minute'`;

const rowsWithoutEvent = (rowType: RowType, born: RawBuilder<unknown>): Check => ({
  kind: 'row_without_event',
  rowType,
  find: (scope) => sql`
    select r.id::text as id from ${sql.table(`shared.${rowType}_rows`)} r
    where ${timeOf('created', scope)} ${rowType === 'file' ? settled : sql``}
      and not exists (select from shared.acts a where ${near(scope)} and ${born})`,
});

const changesWithoutEvent = (
  rowType: RowType,
  changed: RawBuilder<unknown>,
  about: RawBuilder<unknown>,
): Check => ({
  kind: 'change_without_event',
  rowType,
  find: (scope) => sql`
    select r.id::text as id from ${sql.table(`shared.${rowType}_rows`)} r
    where ${timeOf('updated', scope)} and r.updated < now() - interval '1 minute' and ${changed}
      and not exists (
        select from shared.acts a
        where ${near(scope)} and a.resource = r.id::text and ${about})`,
});

const afterTheChange = sql`a.id >= audit.uuid_floor(r.updated - ${sql.raw(CLOCKS)})`;
const userGone = (userId: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`exists (
    select from shared.acts d where d.action = 'USER_DELETED' and d.resource = ${userId})`;

// An ended session's row stays for a week.
const stillKept = sql`and a.id >= audit.uuid_floor(now() - ${sql.raw(SESSION_KEPT)})`;

/** Everything in which rows and events must agree. */
export const CHECKS: readonly Check[] = [
  rowsWithoutEvent(
    'user',
    sql`a.action in ('SIGNUP_SUCCESS', 'USER_CREATED') and a.resource = r.id::text`,
  ),
  rowsWithoutEvent('session', sql`a.opened_session = r.id::text`),
  rowsWithoutEvent('file', sql`a.action = 'FILE_UPLOAD' and a.resource = r.id::text`),
  changesWithoutEvent('user', sql`r.updated > r.created`, sql`${afterTheChange}`),
  changesWithoutEvent(
    'file',
    sql`not r.deleted and r.updated > r.created`,
    sql`a.action <> 'FILE_DOWNLOAD' and ${afterTheChange}`,
  ),
  changesWithoutEvent('file', sql`r.deleted`, sql`a.action = 'FILE_DELETE'`),
  {
    kind: 'event_without_row',
    rowType: 'user',
    find: (scope) => sql`
      select distinct a.resource as id from shared.acts a
      where ${within(scope, sql`a.resource`)} and not a.pending
        and a.action in ('SIGNUP_SUCCESS', 'USER_CREATED')
        and not exists (select from shared.user_rows r where ${isRow(sql`a.resource`)})
        and not ${userGone(sql`a.resource`)}`,
  },
  {
    kind: 'event_without_row',
    rowType: 'file',
    find: (scope) => sql`
      select distinct a.resource as id from shared.acts a
      where ${within(scope, sql`a.resource`)} and not a.pending and a.action = 'FILE_UPLOAD'
        and not exists (select from shared.file_rows r where ${isRow(sql`a.resource`)})`,
  },
  {
    kind: 'event_without_row',
    rowType: 'session',
    find: (scope) => sql`
      select distinct a.opened_session as id from shared.acts a
      where ${within(scope, sql`a.opened_session`)} and not a.pending
        and a.opened_session is not null
        ${'ids' in scope ? sql`` : stillKept}
        and not exists (select from shared.session_rows r where ${isRow(sql`a.opened_session`)})
        and not ${userGone(sql`a.user_id::text`)}`,
  },
];
