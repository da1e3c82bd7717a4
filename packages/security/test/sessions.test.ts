import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createSessionLookup, type LiveSessionRow } from '../src/index.ts';

const isUnavailable = (error: unknown) => error instanceof Error && error.message === 'ECONNREFUSED';

/** Stands for the view: what it holds can be changed, and each statement is noted. */
const liveSessions = (...ids: string[]) => {
  const rows = new Map<string, LiveSessionRow>(
    ids.map((id) => [id, { session_id: id, user_id: `user of ${id}`, role: 'customer', status: 'active' }]));
  const statements: (readonly string[])[] = [];
  const query = async (wanted: readonly string[]) => {
    statements.push(wanted);
    return wanted.flatMap((id) => rows.get(id) ?? []);
  };
  return { rows, statements, query };
};

test('a session in the view lives, any other is dead', async (t) => {
  const { query, rows } = liveSessions('a', 'strange');
  rows.set('strange', { session_id: 'strange', user_id: 'u', role: 'superuser', status: 'active' });
  const sessions = createSessionLookup({ query });
  t.same(await sessions.isLive('a'), { live: true, userId: 'user of a', role: 'customer', status: 'active' });
  t.same(await sessions.isLive('b'), { live: false });
  t.same(await sessions.isLive('strange'), { live: false }, 'a role that this version does not know');
});

test('look-ups of one turn are one statement that names each session once', async (t) => {
  const { query, statements } = liveSessions('a', 'b');
  const sessions = createSessionLookup({ query });
  const states = await Promise.all(['a', 'b', 'a', 'c', 'a'].map((id) => sessions.isLive(id)));
  t.same(states.map(({ live }) => live), [true, true, true, false, true]);
  t.same(statements, [['a', 'b', 'c']]);
});

test('a revoked session is dead within cacheMs, and was asked for once in between', async (t) => {
  const { query, rows, statements } = liveSessions('a');
  const sessions = createSessionLookup({ query, cacheMs: 60 });
  await sessions.isLive('a');
  rows.delete('a');
  for (let i = 0; i < 20; i++) t.ok((await sessions.isLive('a')).live);
  t.equal(statements.length, 1);
  await sleep(70);
  t.same(await sessions.isLive('a'), { live: false });
});

test('the age counts from when the statement was sent', async (t) => {
  const { query, statements } = liveSessions('a');
  const sessions = createSessionLookup({ cacheMs: 40, query: async (ids) => { const rows = await query(ids); await sleep(60); return rows; } });
  await sessions.isLive('a');
  await sessions.isLive('a');
  t.equal(statements.length, 2);
});

test('a fresh look-up sees a revocation at once, and does not join a statement sent before it', async (t) => {
  const { query, rows } = liveSessions('a');
  let release = () => undefined as void;
  const slow = new Promise<void>((resolve) => (release = resolve));
  let calls = 0;
  const sessions = createSessionLookup({
    cacheMs: 1_000,
    query: async (ids) => { const found = await query(ids); if (++calls === 1) await slow; return found; },
  });
  const before = sessions.isLive('a');
  await sleep(5);
  rows.delete('a');
  t.same(await sessions.isLive('a', { fresh: true }), { live: false });
  release();
  t.ok((await before).live, 'that one was asked before the revocation');
  t.same(await sessions.isLive('a'), { live: false }, 'and its late answer does not replace the newer one');
});

test('a slow older answer does not revive a session that was dropped meanwhile', async (t) => {
  const { query, rows } = liveSessions('a');
  let release = () => undefined as void;
  const slow = new Promise<void>((resolve) => (release = resolve));
  let calls = 0;
  const sessions = createSessionLookup({
    cacheMs: 1_000,
    query: async (ids) => { const found = await query(ids); if (++calls === 1) await slow; return found; },
  });
  const before = sessions.isLive('a');
  await sleep(5);
  rows.delete('a');
  sessions.drop('a');
  release();
  await before;
  t.same(await sessions.isLive('a'), { live: false });
});

test('drop counts for every statement on its way, not for the newest alone', async (t) => {
  const { query, rows } = liveSessions('a');
  const answers: (() => void)[] = [];
  const sessions = createSessionLookup({
    cacheMs: 1_000,
    query: async (ids) => { const found = await query(ids); if (answers.length < 2) await new Promise<void>((resolve) => answers.push(resolve)); return found; },
  });
  const older = sessions.isLive('a');
  await sleep(5);
  const newer = sessions.isLive('a', { fresh: true });
  await sleep(5);
  rows.delete('a');
  sessions.drop('a');
  for (const answer of answers.toReversed()) answer();
  await Promise.all([older, newer]);
  t.same(await sessions.isLive('a'), { live: false });
});

test('drop bites at once on this replica', async (t) => {
  const { query, rows } = liveSessions('a');
  const sessions = createSessionLookup({ query, cacheMs: 1_000 });
  await sessions.isLive('a');
  rows.delete('a');
  sessions.drop('a');
  t.same(await sessions.isLive('a'), { live: false });
});

test('a database that is down or silent lets nobody in, and counts again as soon as it answers', async (t) => {
  const { query } = liveSessions('a');
  let down: 'refuses' | 'silent' | 'up' = 'refuses';
  const sessions = createSessionLookup({
    timeoutMs: 30,
    isUnavailable,
    query: (ids) => down === 'up' ? query(ids) : down === 'refuses' ? Promise.reject(new Error('ECONNREFUSED')) : new Promise(() => undefined),
  });
  const expected = { code: 'dependency_unavailable', statusCode: 503, retryAfter: 1 };
  await t.rejects(sessions.isLive('a'), expected);
  down = 'silent';
  await t.rejects(Promise.all([sessions.isLive('a'), sessions.isLive('b', { fresh: true })]), expected);
  down = 'up';
  t.ok((await sessions.isLive('a')).live);
});

test('a session known to live is refused too once the answer is old and the database is down', async (t) => {
  const { query } = liveSessions('a');
  let up = true;
  const sessions = createSessionLookup({ cacheMs: 20, isUnavailable, query: (ids) => up ? query(ids) : Promise.reject(new Error('ECONNREFUSED')) });
  await sessions.isLive('a');
  up = false;
  await sleep(25);
  await t.rejects(sessions.isLive('a'), { code: 'dependency_unavailable' });
});

test('a look-up that fails for another reason than an outage lets nobody in and passes the reason on', async (t) => {
  const fault = Object.assign(new Error('permission denied for view live_sessions'), { code: '42501' });
  const sessions = createSessionLookup({ isUnavailable, query: () => Promise.reject(fault) });
  t.equal(await sessions.isLive('a').catch((error: unknown) => error), fault);
  t.equal(await sessions.isLive('a', { fresh: true }).catch((error: unknown) => error), fault);
});

test('the cache is bounded, and longer than a second is refused at start', async (t) => {
  const { query } = liveSessions();
  const sessions = createSessionLookup({ query, cacheSize: 100 });
  await Promise.all(Array.from({ length: 5_000 }, (_, i) => sessions.isLive(`${i}`)));
  t.ok(sessions.cached() <= 100);
  for (const cacheMs of [1_001, -1, Number.NaN]) t.throws(() => createSessionLookup({ query, cacheMs }), RangeError);
});
