/**
 * `node bench/log-queries/audit-queries.ts [rows]`: measures pages and exports of a large log.
 * Building a log of ten million events takes minutes. Plans go to audit-queries.plans.txt.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabase } from '@muniment/database';
import { EXAMINE_BATCH } from '../../services/audit/trail/find-page.ts';
import {
  listByIndex,
  listNewestFirst,
  findLogEnd,
} from '../../services/audit/trail/log-queries.ts';
import type { Tables } from '../../services/audit/tables.ts';
import { report, type Measurement } from '../report.ts';
import { startFilledLog, type FilledLog } from './filled-log.ts';
import { measureExports } from './measure-exports.ts';
import { measureQuery } from './measure-query.ts';
import { createQuery, findEvent, listCases } from './query-cases.ts';

const ROWS = Number(process.argv[2] ?? 10_000_000);
/** One more than a page holds, as the service reads. */
const LIMIT = 51;

async function measurePages(log: FilledLog): Promise<Measurement[]> {
  const database = createDatabase<Tables>({
    url: log.url,
    applicationName: 'bench',
    poolMax: 2,
    statementTimeoutMs: 60_000,
  });
  const { size, before } = await findLogEnd(database.db);
  const half = Math.floor(size / 2);
  const cases = listCases(await findEvent(log.superuser, half));
  const plans: string[] = [];
  const measurements: Measurement[] = [];
  for (const [what, [query, from]] of Object.entries(cases)) {
    const page = { size, before: from ?? before, limit: LIMIT, examine: EXAMINE_BATCH };
    measurements.push(
      await measureQuery(
        database,
        { what, plans },
        async (db) => (await listNewestFirst(db, query, page)).events,
      ),
    );
  }
  const range = { from: half, to: half + 500, limit: LIMIT };
  for (const [what, query] of [
    ['order=log', createQuery({})],
    ['order=log, rare action', createQuery({ action: 'RARE_ACTION' })],
  ] as const) {
    measurements.push(
      await measureQuery(database, { what, plans }, (db) => listByIndex(db, query, range)),
    );
  }
  await database.db.destroy();
  await writeFile(join(import.meta.dirname, 'audit-queries.plans.txt'), plans.join('\n'));
  return measurements;
}

const log = await startFilledLog(ROWS);
try {
  await report([...(await measurePages(log)), ...measureExports(log.url, ROWS)]);
} finally {
  await log.stop();
}
