import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import {
  createRevocations,
  createSessionLookup,
  type LiveSessionRow,
  type Role,
} from '../../src/index.ts';

const isUnavailable = (error: unknown) =>
  error instanceof Error && error.message === 'ECONNREFUSED';
const expiresAt = Math.ceil(Date.now() / 1_000) + 900;

const claim = (sessionId: string, role: Role = 'customer') => ({
  sessionId,
  userId: `user of ${sessionId}`,
  role,
});

/** Replaces the view. Its rows can change, and each statement is recorded. */
const liveSessions = (...ids: string[]) => {
  const rows = new Map<string, LiveSessionRow>(
    ids.map((id) => [id, { session_id: id, user_id: `user of ${id}`, role: 'customer' }]),
  );
  const statements: (readonly string[])[] = [];
  const query = async (wanted: readonly string[]) => {
    statements.push(wanted);
    return wanted.flatMap((id) => rows.get(id) ?? []);
  };
  return { rows, statements, query };
};

/** A set that a test makes fresh and stale. */
const revocationSet = (fresh: boolean) => {
  const revocations = createRevocations();
  const beat = () => revocations.confirmComplete(revocations.now());
  if (fresh) beat();
  const goStale = () =>
    revocations.confirmComplete({ monotonic: performance.now() - 751, wall: Date.now() - 751 });
  return { revocations, beat, goStale };
};

test('with a stale set the view decides about session and role', async (t) => {
  const { query, rows } = liveSessions('a', 'strange', 'lent');
  rows.set('strange', { session_id: 'strange', user_id: 'user of strange', role: 'superuser' });
  rows.set('lent', { session_id: 'lent', user_id: 'another', role: 'admin' });
  const sessions = createSessionLookup({ query, ...revocationSet(false) });
  t.match(await sessions.isLive(claim('a', 'admin')), { live: true, role: 'customer' });
  t.same(await sessions.isLive(claim('b')), { live: false });
  t.same(
    await sessions.isLive(claim('strange')),
    { live: false },
    'a role that this version does not know',
  );
  t.same(await sessions.isLive(claim('lent')), { live: false }, "another user's");
});

test('look-ups of one turn are one statement that names each session once', async (t) => {
  const { query, statements } = liveSessions('a', 'b');
  const sessions = createSessionLookup({ query, ...revocationSet(false) });
  const states = await Promise.all(
    ['a', 'b', 'a', 'c', 'a'].map((id) => sessions.isLive(claim(id))),
  );
  t.same(
    states.map(({ live }) => live),
    [true, true, true, false, true],
  );
  t.same(statements, [['a', 'b', 'c']]);
});

test('a look-up does not join a statement that was sent before it', async (t) => {
  const { query, rows } = liveSessions('a');
  let release = () => undefined as void;
  const slow = new Promise<void>((resolve) => (release = resolve));
  let calls = 0;
  const sessions = createSessionLookup({
    ...revocationSet(false),
    query: async (ids) => {
      const found = await query(ids);
      if (++calls === 1) await slow;
      return found;
    },
  });
  const before = sessions.isLive(claim('a'));
  await sleep(5);
  rows.delete('a');
  t.same(await sessions.isLive(claim('a')), { live: false });
  release();
  t.ok((await before).live, 'that one was asked before');
});

test('what ends while the answer is under way is dead', async (t) => {
  const { query } = liveSessions('a');
  const { revocations } = revocationSet(false);
  const sessions = createSessionLookup({
    revocations,
    query: async (ids) => {
      const found = await query(ids);
      await sleep(20);
      return found;
    },
  });
  const before = sessions.isLive(claim('a'));
  await sleep(5);
  sessions.drop('a');
  t.same(await before, { live: false });
});

test('each change of a user costs one query', async (t) => {
  const { query, rows, statements } = liveSessions('a', 'b');
  const { revocations } = revocationSet(true);
  const sessions = createSessionLookup({ query, revocations });
  t.match(
    await sessions.isLive(claim('a', 'admin')),
    { live: true, role: 'admin' },
    'nobody has said otherwise',
  );
  revocations.add({ kind: 'user', id: 'user of a', expiresAt });
  for (let i = 0; i < 5; i++)
    t.match(await sessions.isLive(claim('a', 'admin')), { live: true, role: 'customer' });
  t.equal(statements.length, 1);
  rows.delete('a');
  for (let i = 0; i < 5; i++)
    t.ok((await sessions.isLive(claim('a'))).live, 'the answer is remembered');
  revocations.add({ kind: 'user', id: 'user of a', expiresAt });
  for (let i = 0; i < 5; i++)
    t.same(await sessions.isLive(claim('a')), { live: false }, 'also that it is dead');
  t.equal(statements.length, 2);
  t.match(
    await sessions.isLive(claim('b', 'vendor')),
    { role: 'vendor' },
    'others are not asked about',
  );
  t.same(sessions.lookups(), { stale: 0, user_changed: 2 });
});

test('a cached answer is of one user only', async (t) => {
  const { query } = liveSessions('a');
  const { revocations } = revocationSet(true);
  const sessions = createSessionLookup({ query, revocations });
  for (const id of ['user of a', 'another']) revocations.add({ kind: 'user', id, expiresAt });
  t.ok((await sessions.isLive(claim('a'))).live);
  t.same(await sessions.isLive({ ...claim('a'), userId: 'another' }), { live: false });
});

test('an answer older than a change is not cached', async (t) => {
  const { query, rows } = liveSessions('a');
  const { revocations } = revocationSet(true);
  let slow = true;
  const sessions = createSessionLookup({
    revocations,
    query: async (ids) => {
      const found = await query(ids);
      if (slow) await sleep(20);
      return found;
    },
  });
  revocations.add({ kind: 'user', id: 'user of a', expiresAt });
  const before = sessions.isLive(claim('a'));
  await sleep(5);
  rows.delete('a');
  revocations.add({ kind: 'user', id: 'user of a', expiresAt });
  slow = false;
  t.ok((await before).live);
  t.same(await sessions.isLive(claim('a')), { live: false });
});

test('a state says of which moment it is known', async (t) => {
  const { query } = liveSessions('a');
  const { revocations, beat } = revocationSet(false);
  const sessions = createSessionLookup({
    revocations,
    query: async (ids) => {
      await sleep(20);
      return query(ids);
    },
  });
  const asked = performance.now();
  const looked = await sessions.isLive(claim('a'));
  t.ok(
    looked.live && looked.asOf >= asked && looked.asOf < asked + 15,
    'when the statement was sent, not when it answered',
  );
  beat();
  const proved = performance.now();
  await sleep(30);
  const known = await sessions.isLive(claim('a'));
  t.ok(known.live && known.asOf <= proved + 2, 'when the set was proved');
});

test('an unavailable database admits nobody', async (t) => {
  const { query } = liveSessions('a');
  let up = false;
  const sessions = createSessionLookup({
    ...revocationSet(false),
    isUnavailable,
    query: (ids) => (up ? query(ids) : Promise.reject(new Error('ECONNREFUSED'))),
  });
  await t.rejects(sessions.isLive(claim('a')), { code: 'DEPENDENCY_UNAVAILABLE', statusCode: 503 });
  up = true;
  t.ok((await sessions.isLive(claim('a'))).live);
});

test('a late answer is asked for again, three times at most', async (t) => {
  const { query, statements } = liveSessions('a');
  let slowAnswers = 2;
  const sessions = createSessionLookup({
    ...revocationSet(false),
    timeoutMs: 30,
    query: async (ids) => {
      const found = await query(ids);
      if (slowAnswers-- > 0) await sleep(60);
      return found;
    },
  });
  t.ok((await sessions.isLive(claim('a'))).live);
  t.equal(statements.length, 3);
  slowAnswers = 3;
  await t.rejects(sessions.isLive(claim('a')), { code: 'DEPENDENCY_UNAVAILABLE', statusCode: 503 });
});

test('an answer read after a process pause is too late', async (t) => {
  const { query, rows } = liveSessions('a');
  let stop = true;
  const sessions = createSessionLookup({
    ...revocationSet(false),
    timeoutMs: 30,
    query: async (ids) => {
      const found = await query(ids);
      if (stop) {
        // The event loop is blocked, so the answer is there before any timer runs.
        for (const end = performance.now() + 60; performance.now() < end;);
        rows.delete('a');
      }
      stop = false;
      return found;
    },
  });
  t.same(await sessions.isLive(claim('a')), { live: false });
});

test('an error that is no outage is passed on', async (t) => {
  const fault = Object.assign(new Error('permission denied for view live_sessions'), {
    code: '42501',
  });
  const sessions = createSessionLookup({
    ...revocationSet(false),
    isUnavailable,
    query: () => Promise.reject(fault),
  });
  t.equal(await sessions.isLive(claim('a')).catch((error: unknown) => error), fault);
});

test('what a replica ended or changed itself counts there at once', async (t) => {
  const { query, rows } = liveSessions('a', 'b');
  const sessions = createSessionLookup({ query, ...revocationSet(true) });
  t.ok((await sessions.isLive(claim('a'))).live);
  sessions.drop('a');
  t.same(await sessions.isLive(claim('a')), { live: false });
  rows.delete('b');
  sessions.dropUser('user of b');
  t.same(await sessions.isLive(claim('b')), { live: false });
});

test('what is remembered is bounded', async (t) => {
  const ids = Array.from({ length: 500 }, (_, i) => `${i}`);
  const { query } = liveSessions(...ids);
  const sessions = createSessionLookup({ query, remembered: 100, ...revocationSet(false) });
  await Promise.all(ids.map((id) => sessions.isLive(claim(id))));
  t.equal(sessions.remembered(), 100);
});
