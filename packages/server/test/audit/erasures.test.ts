import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { createErasureLoop } from '../../src/audit/erasures.ts';
import { build } from '../build.ts';

const ADA = '0190a1b2-c3d4-7e5f-8a9b-000000000001';
const BOB = '0190a1b2-c3d4-7e5f-8a9b-000000000002';
const EVE = '0190a1b2-c3d4-7e5f-8a9b-000000000003';

test('a deletion is tried until it has succeeded once, ticked off for this service alone, and not done again', async (t) => {
  const { db, rows } = await build(t);
  await rows(`insert into shared.erasures (user_id) values ($1)`, [ADA]);
  const erased: string[] = [];
  const errors: unknown[] = [];
  const loop = createErasureLoop(
    db,
    {
      column: 'identity_done',
      erase: async (userId) => {
        if (erased.push(userId) < 3) throw new Error('the store is away');
      },
    },
    () => {},
    (error) => void errors.push(error),
  );
  loop.start();
  await until(
    async () =>
      (await rows<{ identity_done: boolean }>('select identity_done from shared.erasures'))[0]
        ?.identity_done === true,
  );
  await sleep(700);
  await loop.stop();
  t.strictSame(erased, [ADA, ADA, ADA]);
  t.match(errors, [{ message: 'the store is away' }, { message: 'the store is away' }]);
  t.match(await rows('select * from shared.erasures'), [
    { identity_done: true, files_done: false, audit_done: false },
  ]);
});

test('a deletion that never succeeds holds up no other', async (t) => {
  const { db, rows } = await build(t);
  for (const user of [ADA, BOB, EVE])
    await rows(`insert into shared.erasures (user_id) values ($1)`, [user]);
  const loop = createErasureLoop(
    db,
    {
      column: 'identity_done',
      erase: async (userId) => {
        if (userId === ADA) throw new Error('never');
      },
    },
    () => {},
    () => {},
  );
  loop.start();
  await until(
    async () => (await rows('select from shared.erasures where identity_done')).length === 2,
  );
  await loop.stop();
  t.strictSame(await rows('select user_id from shared.erasures where not identity_done'), [
    { user_id: ADA },
  ]);
});

test("every replica's caches are told, also where another replica did the work, and again of what was cached meanwhile", async (t) => {
  const { db, rows } = await build(t);
  await rows(`insert into shared.erasures (user_id, identity_done) values ($1, true)`, [ADA]);
  await rows(
    `insert into shared.erasures (user_id, identity_done, audit_done, requested_at) values ($1, true, true, now() - interval '1 hour')`,
    [BOB],
  );
  await rows(
    `insert into keys.erased_subjects (subject, erased_at) values ($1, now() - interval '1 hour'), ($2, now())`,
    [BOB, EVE],
  );
  const forgotten: string[] = [];
  const loop = createErasureLoop(
    db,
    {
      column: 'identity_done',
      erase: async () => {
        t.fail('it is done');
      },
    },
    (userId) => void forgotten.push(userId),
    (error) => t.fail(String(error)),
  );
  loop.start();
  await until(() => forgotten.includes(EVE));
  await loop.stop();
  t.strictSame(
    [...new Set(forgotten)].toSorted(),
    [ADA, EVE],
    'an order older than any cache is left alone, but not one that was old when its key was destroyed',
  );
});

test('a destroyed key is dropped in time while the fleet rests, though nothing announces it', async (t) => {
  const { db, rows } = await build(t);
  const dropped: string[] = [];
  let rounds = 0;
  const loop = createErasureLoop(
    db,
    { column: 'identity_done', erase: async () => void (rounds += 1) },
    (userId) => void dropped.push(userId),
    (error) => t.fail(String(error)),
  );
  loop.start({
    isResting: () => true,
    untilWork: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
  });
  t.teardown(() => loop.stop());
  await rows(`insert into shared.erasures (user_id) values ($1)`, [ADA]);
  // A rest would take five seconds.
  await until(() => rounds > 0, { what: 'the erasure', timeoutMs: timeBound(1_000, 3_000) });
  await rows(`insert into keys.erased_subjects (subject) values ($1)`, [EVE]);
  await until(() => dropped.includes(EVE), { timeoutMs: timeBound(1_000, 3_000) });
  t.pass();
});

test('an order that a server finds when it starts to listen is worked off', async (t) => {
  const erased: string[] = [];
  const { app, rows } = await build(t, {
    erasure: { column: 'identity_done', erase: async (userId) => void erased.push(userId) },
  });
  await rows(`insert into shared.erasures (user_id) values ($1)`, [EVE]);
  await app.listen({ host: '127.0.0.1', port: 0 });
  await until(() => erased.length > 0);
  t.strictSame(erased, [EVE]);
});
