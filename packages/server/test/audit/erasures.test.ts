import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { createErasureLoop, type CachedKeys } from '../../src/audit/erasures.ts';
import type { Rest } from '../../src/audit/activity.ts';
import { build } from '../build.ts';

const ADA = '0190a1b2-c3d4-7e5f-8a9b-000000000001';
const BOB = '0190a1b2-c3d4-7e5f-8a9b-000000000002';
const EVE = '0190a1b2-c3d4-7e5f-8a9b-000000000003';

/** The keys in a replica's memory, as far as the loop sees them. */
function cachedKeys(unusedMs = 0) {
  const listeners: (() => void)[] = [];
  const keys = {
    dropped: [] as string[],
    cleared: 0,
    drop: (subject: string) => void keys.dropped.push(subject),
    clear: () => void (keys.cleared += 1),
    unusedMs: () => unusedMs,
    onUse: (listener: () => void) => void listeners.push(listener),
    use() {
      unusedMs = 0;
      for (const listener of listeners) listener();
    },
  } satisfies CachedKeys & Record<string, unknown>;
  return keys;
}

const atRest: Rest = {
  isResting: () => true,
  untilWork: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
};

/** A loop of a fleet at rest, of which every erasure succeeds. */
function startAtRest(t: Test, db: Kysely<unknown>, keys: CachedKeys): void {
  const part = { column: 'identity_done', erase: async () => {} } as const;
  const loop = createErasureLoop(db, part, keys, (error) => t.fail(String(error)));
  loop.start(atRest);
  t.teardown(() => loop.stop());
}

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
    cachedKeys(),
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
    cachedKeys(),
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
  const keys = cachedKeys();
  const loop = createErasureLoop(
    db,
    {
      column: 'identity_done',
      erase: async () => {
        t.fail('it is done');
      },
    },
    keys,
    (error) => t.fail(String(error)),
  );
  loop.start();
  await until(() => keys.dropped.includes(EVE));
  await loop.stop();
  t.strictSame(
    [...new Set(keys.dropped)].toSorted(),
    [ADA, EVE],
    'an order older than any cache is left alone, but not one that was old when its key was destroyed',
  );
});

test('a destroyed key of a replica that uses keys is dropped in time at rest too', async (t) => {
  const { db, rows } = await build(t);
  const keys = cachedKeys();
  startAtRest(t, db, keys);
  await rows(`insert into keys.erased_subjects (subject) values ($1)`, [EVE]);
  await until(() => keys.dropped.includes(EVE), { timeoutMs: timeBound(1_000, 3_000) });
  t.equal(keys.cleared, 0);
});

test('at rest unused keys leave the memory, and the next use drops destroyed ones', async (t) => {
  const { db, rows } = await build(t);
  const keys = cachedKeys(60_000);
  startAtRest(t, db, keys);
  await until(() => keys.cleared === 1);
  await rows(`insert into keys.erased_subjects (subject) values ($1)`, [EVE]);
  await sleep(700);
  t.strictSame(keys.dropped, [], 'it rests');
  keys.use();
  await until(() => keys.dropped.includes(EVE), { timeoutMs: timeBound(300, 2_000) });
});

test('an erasure that fails is tried again at once, also at rest', async (t) => {
  const { db, rows } = await build(t);
  await rows(`insert into shared.erasures (user_id) values ($1)`, [ADA]);
  let attempts = 0;
  const loop = createErasureLoop(
    db,
    {
      column: 'identity_done',
      async erase() {
        attempts += 1;
        if (attempts < 3) throw new Error('the store is away');
      },
    },
    cachedKeys(60_000),
    () => {},
  );
  loop.start(atRest);
  t.teardown(() => loop.stop());
  await until(() => attempts === 3, { timeoutMs: timeBound(3_000, 6_000) });
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
