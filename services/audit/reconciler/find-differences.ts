import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import { CHECKS, type Check, type Scope } from './checks.ts';
import type { Difference } from './difference-queries.ts';

/** The next differing ids, in order. */
async function findNext(
  db: Kysely<Tables>,
  check: Check,
  { scope, limit, after = '' }: { scope: Scope; limit: number; after?: string | undefined },
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from (${check.find(scope)}) as found 
    where id > ${after} order by id limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * Finds a span's differences. The first comparison reads near the rows; what it finds is compared
 * again with all events.
 */
export async function* findDifferences(
  db: Kysely<Tables>,
  scope: { from: Date; to: Date },
  page: number,
): AsyncGenerator<Difference[]> {
  for (const check of CHECKS) {
    let candidates: string[] = [];
    do {
      candidates = await findNext(db, check, { scope, limit: page, after: candidates.at(-1) });
      const ids =
        candidates.length === 0
          ? []
          : await findNext(db, check, { scope: { ids: candidates }, limit: page });
      yield ids.map((id) => ({ kind: check.kind, row_type: check.rowType, row_id: id }));
    } while (candidates.length === page);
  }
}

/** Finds open differences that are gone: an event came late, or a row was repaired. */
export async function findResolved(
  db: Kysely<Tables>,
  open: readonly Difference[],
  page: number,
): Promise<Difference[]> {
  const resolved: Difference[] = [];
  const groups = Map.groupBy(CHECKS, ({ kind, rowType }) => `${kind}/${rowType}`);
  for (const [group, checks] of groups) {
    const own = open.filter((one) => `${one.kind}/${one.row_type}` === group);
    if (own.length === 0) continue;
    const scope = { ids: own.map(({ row_id: id }) => id) };
    const ids = await Promise.all(
      checks.map((check) => findNext(db, check, { scope, limit: page })),
    );
    const remaining = new Set(ids.flat());
    resolved.push(...own.filter(({ row_id: id }) => !remaining.has(id)));
  }
  return resolved;
}
