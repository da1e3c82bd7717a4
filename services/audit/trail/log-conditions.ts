import { sql, type RawBuilder } from 'kysely';
import type { LogQuery } from './log-query.ts';

export type Condition = RawBuilder<unknown>;

export const allOf = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);

const EQUAL_COLUMNS = [
  'outcome',
  'resource',
  'resource_type',
  'request_id',
  'tenant_id',
  'source',
  'action',
] as const;

/**
 * The conditions on a candidate that the scan itself does not ensure. A collation or a cast keeps
 * indexes away: a planner that guesses another index reads millions of rows for a page.
 */
export function listConditions(
  query: LogQuery,
  drivenBy: ReadonlySet<string> = new Set(),
  termsLeft: readonly Buffer[] = query.terms,
): Condition[] {
  return [
    ...filterConditions(query, drivenBy),
    ...visibilityConditions(query, drivenBy),
    ...termsLeft.map(
      (term) => sql`exists (
        select from audit.search_terms t where t.term = ${term} and t.event_id = e.id)`,
    ),
    ...personalConditions(query),
  ];
}

function filterConditions(
  { filter, visibility }: LogQuery,
  drivenBy: ReadonlySet<string>,
): Condition[] {
  const conditions: Condition[] = [];
  for (const column of EQUAL_COLUMNS) {
    // A viewer's list is driven by its own tenant, not by the one it asks for.
    const isDriven = drivenBy.has(column) && !(column === 'tenant_id' && visibility.within);
    if (filter[column] !== undefined && !isDriven)
      conditions.push(sql`e.${sql.ref(column)} collate "C" = ${filter[column]}`);
  }
  if (filter.actor !== undefined && !drivenBy.has('user_id'))
    conditions.push(sql`e.user_id::text = ${filter.actor}`);
  if (filter.session_id !== undefined && !drivenBy.has('session_id'))
    conditions.push(sql`e.session_id::text = ${filter.session_id}`);
  if (filter.actionPrefix !== undefined && !drivenBy.has('action'))
    conditions.push(sql`starts_with(e.action, ${filter.actionPrefix})`);
  if (filter.from) conditions.push(sql`e.timestamp >= ${filter.from}`);
  if (filter.to) conditions.push(sql`e.timestamp < ${filter.to}`);
  return conditions;
}

function visibilityConditions(
  { visibility: { concerning, within } }: LogQuery,
  drivenBy: ReadonlySet<string>,
): Condition[] {
  const conditions: Condition[] = [];
  if (within)
    conditions.push(
      sql`e.tenant_id collate "C" = ${within.tenant_id}`,
      sql`e.source collate "C" = ${within.source}`,
    );
  if (concerning !== undefined && !drivenBy.has('concerning'))
    conditions.push(
      sql`(e.subject collate "C" = ${concerning} or e.user_id::text = ${concerning})`,
    );
  return conditions;
}

/**
 * A hit would reveal a personal value, so events with values hidden from the reader never match.
 */
function personalConditions({ visibility: { personal }, terms }: LogQuery): Condition[] {
  return terms.length > 0 && personal !== 'all'
    ? [sql`e.subject collate "C" = ${personal.subject}`]
    : [];
}
