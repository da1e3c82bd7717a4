import { randomUUID } from 'node:crypto';
import { type CompiledQuery, Kysely, type KyselyConfig, PostgresDialect } from 'kysely';
import pg from 'pg';
import { test } from 'tap';
import { uuidv7 } from '@muniment/database';
import { countRowsRead, createTestDatabase, type ExplainRow } from '@muniment/testing';
import { listReadyFiles } from '../../files/file-queries.ts';
import type { Tables } from '../../tables.ts';

const OTHERS = 20;
const FILES_EACH = 300;
const OWNER = randomUUID();

/** Old files of one owner, below newer ones of others. */
async function fill(pool: pg.Pool): Promise<string[]> {
  const others = Array.from({ length: OTHERS }, () => randomUUID());
  const users = [...Array<string>(100).fill(OWNER), ...Array<string[]>(FILES_EACH).fill(others)];
  const ids = users.flat().map((_, i) => uuidv7(Date.UTC(2026, 0, 1) + i));
  await pool.query(
    `insert into files.files (id, user_id, name, size, mime_type, etag, object_key, status)
     select id, owner, 'f', 1, 'text/plain', '"x"', id, 'ready'
     from unnest($1::uuid[], $2::uuid[]) as new (id, owner)`,
    [ids, users.flat()],
  );
  await pool.query('analyze files.files');
  return ids.slice(0, 100);
}

test("a list reads its owner's files only, also below newer ones of others", async (t) => {
  const database = await createTestDatabase(t);
  const pool = new pg.Pool({ connectionString: database.url(), max: 1 });
  pool.on('error', () => undefined);
  const sent: CompiledQuery[] = [];
  const config: KyselyConfig = {
    dialect: new PostgresDialect({ pool }),
    log({ query }) {
      sent.push(query);
    },
  };
  const db = new Kysely<Tables>(config);
  t.teardown(() => db.destroy());
  const ids = await fill(pool);
  // What PostgreSQL chooses for a statement that it has prepared.
  await pool.query('set plan_cache_mode = force_generic_plan');
  for (const before of [undefined, ids[80]]) {
    const files = await listReadyFiles(db, OWNER, { limit: 51, before });
    const newestFirst = ids.filter((id) => before === undefined || id < before).toReversed();
    t.strictSame(
      files.map(({ id }) => id),
      newestFirst.slice(0, 51),
    );

    const { sql, parameters } = sent.at(-1) as CompiledQuery;
    const values = parameters.map((value) => pg.escapeLiteral(String(value))).join(', ');
    await pool.query(`prepare list as ${sql}`);
    const { rows } = await pool.query<ExplainRow>(
      `explain (analyze, format json) execute list(${values})`,
    );
    await pool.query('deallocate list');
    t.equal(countRowsRead(rows, 'files'), 51);
  }
});
