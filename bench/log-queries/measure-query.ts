import type { Database } from '@muniment/database';
import type { Tables } from '../../services/audit/tables.ts';
import type { Measurement } from '../report.ts';

export type Db = Database<Tables>['db'];

const RUNS = 30;
const GOAL_MS = 5;

interface Statement {
  sql: string;
  parameters: readonly unknown[];
}

/** A database handle that notes each statement it compiles. */
function recordStatements(db: Db): { recording: Db; statements: Statement[] } {
  const statements: Statement[] = [];
  const recording = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => result,
  });
  const executor = recording.getExecutor();
  const compile = executor.compileQuery.bind(executor);
  executor.compileQuery = (...args) => {
    const compiled = compile(...args);
    statements.push(compiled);
    return compiled;
  };
  return { recording, statements };
}

/** Explains a statement twice. @returns the plan of the warm run, and its milliseconds */
async function explain(
  pool: Database<Tables>['pool'],
  { sql, parameters }: Statement,
): Promise<{ plan: string; ms: number }> {
  let plan = '';
  for (let run = 0; run < 2; run += 1) {
    const { rows } = await pool.query<Record<'QUERY PLAN', string>>(
      `explain (analyze, buffers) ${sql}`,
      [...parameters],
    );
    plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  }
  return { plan, ms: Number(/Execution Time: ([\d.]+)/.exec(plan)?.[1] ?? 0) };
}

/** Measures a query as the service runs it. Appends its plans to `plans`. */
export async function measureQuery(
  { db, pool }: Database<Tables>,
  { what, plans }: { what: string; plans: string[] },
  run: (db: Db) => Promise<unknown[]>,
): Promise<Measurement> {
  const { recording, statements } = recordStatements(db);
  const found = await run(recording);
  const times: number[] = [];
  for (let n = 0; n < RUNS; n += 1) {
    const startedAt = performance.now();
    await run(db);
    times.push(performance.now() - startedAt);
  }
  let explainedMs = 0;
  for (const statement of statements) {
    const { plan, ms } = await explain(pool, statement);
    explainedMs += ms;
    plans.push(`=== ${what}: ${found.length} rows\n${plan}\n`);
  }
  const median = times.toSorted((a, b) => a - b)[RUNS / 2] ?? 0;
  return {
    what: `page of 50, ${what}`,
    value: explainedMs,
    unit: 'ms in PostgreSQL',
    goal: { atMost: GOAL_MS },
    beside: `${found.length} rows; ${median.toFixed(2)} ms seen by the service`,
  };
}
