/**
 * `node bench/log-queries/audit-queries.ts [rows]`: what a page of 50 costs the database in a log of ten million events, filter by filter. Builds the log in a
 * server of its own (minutes), prints a table and writes the plans to bench/log-queries/audit-queries.plans.txt. Then an export of it, in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabase, type Database } from '@muniment/database';
import { parseFilter, type FilterQuery } from '../../services/audit/trail/filter.ts';
import {
  listByIndex,
  listNewestFirst,
  findLogEnd,
  type LogQuery,
} from '../../services/audit/trail/log-queries.ts';
import type { Tables } from '../../services/audit/tables.ts';
import { startFilledLog } from './filled-log.ts';
import { report, type Measurement } from '../report.ts';

type Db = Database<Tables>['db'];

const ROWS = Number(process.argv[2] ?? 10_000_000);
const RUNS = 30;
const GOAL_MS = 5;
/** Left to itself V8 lets garbage lie up to some 200 MB before it looks; what an export needs shows in a process that has less. */
const EXPORT_HEAP_MB = 96;

const log = await startFilledLog(ROWS);
try {
  const { db, pool } = createDatabase<Tables>({
    url: log.url,
    applicationName: 'bench',
    poolMax: 2,
    statementTimeoutMs: 60_000,
  });
  const { size, before } = await findLogEnd(db);
  const {
    rows: [middle],
  } = await log.superuser.query<{
    id: string;
    user_id: string;
    session_id: string;
    request_id: string;
    timestamp: Date;
  }>('select e.* from audit.events e join audit.sealed s on s.event_id = e.id where s.index = $1', [
    Math.floor(size / 2),
  ]);
  if (!middle) throw new Error('the log is empty');
  const hour = (n: number): string =>
    new Date(middle.timestamp.getTime() + n * 3_600_000).toISOString();
  const ip = createHash('sha256').update('ip31000').digest().subarray(0, 16);
  const query = (given: FilterQuery, more: Partial<LogQuery> = {}): LogQuery => ({
    filter: parseFilter(given),
    visibility: { personal: 'all' },
    terms: [],
    ...more,
  });
  const own = {
    visibility: { concerning: middle.user_id, personal: { subject: middle.user_id } },
  } as const;
  const lists: Record<string, [LogQuery, string?]> = {
    'first page': [query({})],
    'deep page': [query({}), middle.id],
    'common action': [query({ action: 'LOGIN_SUCCESS' })],
    'rare action': [query({ action: 'RARE_ACTION' })],
    'action that is not there': [query({ action: 'NONE' })],
    'action prefix, common': [query({ action: 'FILE_*' })],
    'action prefix, rare': [query({ action: 'RARE_*' })],
    failures: [query({ outcome: 'failure' })],
    'failures, deep': [query({ outcome: 'failure' }), middle.id],
    'rare source': [query({ source: 'audit' })],
    'rare resource': [query({ resource: 'file-399999' })],
    'rare resource type': [query({ resource_type: 'contract' })],
    session: [query({ session_id: middle.session_id })],
    request: [query({ request_id: middle.request_id })],
    actor: [query({ actor: middle.user_id })],
    'actor and action': [query({ actor: middle.user_id, action: 'LOGIN_FAIL' })],
    tenant: [query({ tenant_id: 'tenant-77' })],
    address: [query({}, { terms: [ip] })],
    'address, deep': [query({}, { terms: [ip] }), middle.id],
    'an hour': [query({ from: hour(0), to: hour(1) })],
    'rare action in a week': [query({ action: 'RARE_ACTION', from: hour(0), to: hour(168) })],
    own: [query({}, own)],
    'own, of an action': [query({ action: 'LOGIN_FAIL' }, own)],
  };

  const plans: string[] = [];
  const measurements: Measurement[] = [];
  /** Runs a query as the service does, prepared by name, and keeps its plan. */
  async function measure(what: string, run: (db: Db) => Promise<unknown[]>): Promise<void> {
    const statements: { sql: string; parameters: readonly unknown[] }[] = [];
    const seeing = db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => result,
    });
    const executor = seeing.getExecutor();
    const compile = executor.compileQuery.bind(executor);
    executor.compileQuery = (...args) => {
      const compiled = compile(...args);
      statements.push(compiled);
      return compiled;
    };
    const found = await run(seeing);
    const times: number[] = [];
    for (let n = 0; n < RUNS; n += 1) {
      const begun = performance.now();
      await run(db);
      times.push(performance.now() - begun);
    }
    let explained = 0;
    for (const { sql, parameters } of statements) {
      for (const warm of [false, true]) {
        const { rows } = await pool.query<Record<'QUERY PLAN', string>>(
          `explain (analyze, buffers) ${sql}`,
          [...parameters],
        );
        const text = rows.map((row) => row['QUERY PLAN']).join('\n');
        if (!warm) continue;
        explained += Number(/Execution Time: ([\d.]+)/.exec(text)?.[1] ?? 0);
        plans.push(`=== ${what}: ${found.length} rows\n${text}\n`);
      }
    }
    const median = times.toSorted((a, b) => a - b)[RUNS / 2] ?? 0;
    measurements.push({
      what: `page of 50, ${what}`,
      value: explained,
      unit: 'ms in PostgreSQL',
      goal: { atMost: GOAL_MS },
      beside: `${found.length} rows; ${median.toFixed(2)} ms seen by the service`,
    });
  }

  for (const [what, [of, from]] of Object.entries(lists))
    await measure(what, (on) =>
      listNewestFirst(on, of, { size, before: from ?? before, limit: 51 }),
    );
  await measure('order=log', (on) =>
    listByIndex(on, query({}), {
      from: Math.floor(size / 2),
      to: Math.floor(size / 2) + 500,
      limit: 51,
    }),
  );
  await measure('order=log, rare action', (on) =>
    listByIndex(on, query({ action: 'RARE_ACTION' }), {
      from: Math.floor(size / 2),
      to: Math.floor(size / 2) + 500,
      limit: 51,
    }),
  );
  await db.destroy();
  await writeFile(join(import.meta.dirname, 'audit-queries.plans.txt'), plans.join('\n'));

  for (const format of ['ndjson', 'csv', 'ocsf']) {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [
        '--max-semi-space-size=4',
        `--max-old-space-size=${EXPORT_HEAP_MB}`,
        join(import.meta.dirname, 'export-child.ts'),
        log.url,
        format,
        String(Math.min(ROWS, 500_000)),
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    const { rowsPerSecond, rssMb } = JSON.parse(stdout) as { rowsPerSecond: number; rssMb: number };
    measurements.push(
      {
        what: `export, ${format}`,
        value: rowsPerSecond,
        unit: 'rows/s',
        goal: { atLeast: 20_000 },
      },
      {
        what: `RSS of the process that exports, ${format}`,
        value: rssMb,
        unit: 'MB',
        goal: { atMost: 200 },
        beside: `given a heap of ${EXPORT_HEAP_MB} MB`,
      },
    );
  }
  await report(measurements);
} finally {
  await log.stop();
}
