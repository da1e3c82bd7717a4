import type { CompiledQuery, Kysely, PluginTransformQueryArgs } from 'kysely';
import { PLANNED_WITH_VALUES } from '@muniment/database';
import pg from 'pg';
import type { Rows } from './rows.ts';

/** The statements that `work` executes, in order. */
export async function recordStatements<DB>(
  db: Kysely<DB>,
  work: (db: Kysely<DB>) => Promise<unknown>,
): Promise<CompiledQuery[]> {
  const nodes: PluginTransformQueryArgs[] = [];
  const watched = db.withPlugin({
    transformQuery(args) {
      nodes.push(args);
      return args.node;
    },
    transformResult: async ({ result }) => result,
  });
  await work(watched);
  return nodes.map(({ node, queryId }) => db.getExecutor().compileQuery(node, queryId));
}

export interface ExplainedStatement {
  /** As JSON. */
  plan: string;
  /** Pages of tables and indexes that it read. An index that is read whole shows no rows. */
  pagesRead: number;
  /** Whether it is the plan for any values, which PostgreSQL may choose from the sixth run on. */
  isGeneric: boolean;
}

interface Explanation {
  Plan: { 'Shared Hit Blocks': number; 'Shared Read Blocks': number };
}

const literal = (value: unknown): string =>
  value === null || value === undefined
    ? 'null'
    : Array.isArray(value)
      ? pg.escapeLiteral(`{${value.map((item) => JSON.stringify(item)).join(',')}}`)
      : pg.escapeLiteral(typeof value === 'string' ? value : JSON.stringify(value));

/** Runs each statement under the plans that it may get: for its values, and for any. */
export async function explainStatements(
  rows: Rows,
  statements: readonly CompiledQuery[],
): Promise<ExplainedStatement[]> {
  const explained: ExplainedStatement[] = [];
  for (const { sql, parameters } of statements) {
    const modes = sql.startsWith(PLANNED_WITH_VALUES) ? ['custom'] : ['custom', 'generic'];
    const given = parameters.length > 0 ? `(${parameters.map(literal).join(', ')})` : '';
    for (const mode of modes) {
      await rows(`set plan_cache_mode = force_${mode}_plan`);
      await rows(`prepare explained as ${sql}`);
      const [row] = await rows<{ 'QUERY PLAN': [Explanation] }>(
        `explain (analyze, buffers, format json) execute explained${given}`,
      );
      await rows('deallocate explained');
      if (!row) throw new Error('PostgreSQL explained nothing');
      const [{ Plan: plan }] = row['QUERY PLAN'];
      explained.push({
        plan: JSON.stringify(plan, null, 1),
        pagesRead: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
        isGeneric: mode === 'generic',
      });
    }
  }
  return explained;
}
