import { sql } from 'kysely';
import { test } from 'tap';
import { createDatabase } from '@muniment/database';
import { connectSuperuser, createTestDatabase } from '@muniment/testing';
import { CHECKS, type Scope } from '../../reconciler/checks.ts';
import type { Tables } from '../../tables.ts';

const ID = '0190a1b2-c3d4-7e5f-8a9b-000000000001';

test('no check of recent events or of single rows reads all files', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await connectSuperuser(t, database);
  await superuser.query(`
    insert into files.files
      (id, user_id, name, size, mime_type, etag, object_key, status, created, updated)
    select uuidv7(), '${ID}', 'a', 1, 'text/plain', 'e', n::text, 'ready',
      now() - interval '9 days', now() - interval '9 days'
    from generate_series(1, 30000) n`);
  await superuser.query('analyze files.files');
  const { db } = createDatabase<Tables>({
    url: database.url('audit_reconciler'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  const recent: Scope = { from: new Date(Date.now() - 600_000), to: new Date() };
  // An id that a forged event names may be no UUID.
  for (const scope of [recent, { ids: [ID, 'forged'] }]) {
    for (const { kind, rowType, find } of CHECKS.filter((check) => check.rowType === 'file')) {
      const { rows } = await sql<Record<'QUERY PLAN', string>>`
        explain (analyze) ${find(scope)}`.execute(db);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      t.notMatch(plan, /Seq Scan on files/, `${kind} of ${rowType}, ${Object.keys(scope)[0]}`);
    }
  }
});
