import { sql } from 'kysely';
import { test } from 'tap';
import { listMonth } from '../../retention/archive-queries.ts';
import { APRIL, MARCH, openArchiveTest } from './archive.ts';

const EVENTS = 6_000;

test('a page of a month reads the events of that page only', async (t) => {
  const log = await openArchiveTest(t);
  await log.log(MARCH, EVENTS);
  await log.log(APRIL, 10);
  // Statistics that make a join of both whole tables look cheap.
  await log.superuser.query('analyze audit.events; analyze audit.sealed');
  const read = async (): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`.execute(log.db);
    const { rows } = await sql<{ read: number }>`
      select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::int8 as read from pg_stat_all_tables
      where schemaname = 'audit' and relname like 'events_%'`.execute(log.db);
    return rows[0]?.read ?? NaN;
  };
  const before = await read();
  const page = await listMonth(log.db, MARCH, { after: 999, last: EVENTS + 9, limit: EVENTS / 6 });
  t.equal(page.length, 1_000);
  t.equal(page[0]?.index, 1_000);
  const rows = (await read()) - before;
  t.ok(rows >= 1_000 && rows < 2_000, `${rows} events read for a page of 1000`);
});
