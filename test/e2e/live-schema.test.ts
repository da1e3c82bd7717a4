import { test } from 'tap';
import { until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects } from './effects.ts';
import { startFleet } from './fleet.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { openDatabase } from './stores.ts';

const WRITES_BETWEEN = 40;

test('a column more in every table, under load, fails no request', async (t) => {
  const fleet = await startFleet(t, { REPLICAS: '1', DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  const accounts = await Promise.all([1, 2, 3].map(() => fleet.signUp()));
  const load = startLoad(fleet, { accounts, reads: ['profile', 'list', 'download', 'trail'] });
  const { writes } = load.ledger;
  const goesOn = async (): Promise<void> => {
    const before = writes.length;
    await until(() => writes.length > before + WRITES_BETWEEN, { what: 'the load goes on' });
  };
  await goesOn();
  // As migrations of a later release would, which change the rows of prepared statements.
  const tables = await rows<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('identity', 'files', 'audit', 'app', 'shared')
       and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  t.ok(tables.length > 20);
  for (const { name } of tables) await rows(`alter table ${name} add column later_column text`);
  await goesOn();
  const ledger = await load.stop();
  t.strictSame(ledger.strange, []);
  t.strictSame(
    [...ledger.reads, ...ledger.writes].filter((answer) => !isAcknowledged(answer)),
    [],
    'every request succeeded',
  );
  await effectsAreRecorded(t, rows, ledger);
});
