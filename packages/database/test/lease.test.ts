import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { sql } from 'kysely';
import { acquireLease, createDatabase, lockLease, releaseLease } from '../src/index.ts';
import { claimLease } from '../src/lease.ts';
import { createTestDatabase } from '@muniment/testing';

test('a lease has one holder until it runs out, and its epoch tells holders apart', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase({ url: database.url('user_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());

  const first = await acquireLease(db, {
    schema: 'identity',
    name: 'relay',
    holder: 'a',
    ttlMs: 60_000,
  });
  t.equal(first?.epoch, 1);
  t.equal(
    await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'b', ttlMs: 60_000 }),
    undefined,
  );
  t.equal(
    (await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'a', ttlMs: 20 }))?.epoch,
    1,
    'renewing keeps the epoch',
  );
  await sleep(30);
  t.equal(
    (await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'b', ttlMs: 5_000 }))
      ?.epoch,
    2,
  );
  if (!first) return t.fail('no lease');
  t.equal(
    await db.transaction().execute((trx) => lockLease(trx, first)),
    false,
    'the old holder may not write',
  );
});

test('a holder that returns after its lease ran out gets a new epoch', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase({ url: database.url('user_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'a', ttlMs: 50 });
  await sleep(80);
  t.equal(
    (await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'a', ttlMs: 50 }))?.epoch,
    2,
  );
});

test('a released lease is free at once', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase({ url: database.url('user_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  const lease = await acquireLease(db, {
    schema: 'identity',
    name: 'relay',
    holder: 'a',
    ttlMs: 60_000,
  });
  if (!lease) return t.fail('no lease');
  await releaseLease(db, lease);
  t.equal(
    (await acquireLease(db, { schema: 'identity', name: 'relay', holder: 'b', ttlMs: 1_000 }))
      ?.holder,
    'b',
  );
});

test('a claim beside a rival writes nothing, and tells for how long it holds', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase({ url: database.url('user_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  const claim = { schema: 'identity', name: 'relay', ttlMs: 60_000 };
  await acquireLease(db, { ...claim, holder: 'a' });
  const claimed = await claimLease(db, { ...claim, holder: 'b' });
  t.match(claimed, { lease: undefined });
  const rivalMs = 'rivalMs' in claimed ? claimed.rivalMs : NaN;
  t.ok(rivalMs > 30_000 && rivalMs <= 60_000, `${rivalMs} ms`);
  const { rows } = await sql`select xmax::text from identity.leases`.execute(db);
  t.strictSame(rows, [{ xmax: '0' }]);
});
