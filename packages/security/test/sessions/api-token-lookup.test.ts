import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import {
  createApiToken,
  createApiTokenLookup,
  createRevocations,
  hashApiToken,
  type ApiTokenLookupOptions,
  type ApiTokenRow,
} from '../../src/index.ts';

const later = Math.ceil(Date.now() / 1_000) + 3_600;

function build(options: Partial<ApiTokenLookupOptions> = {}, staleAfterMs = 750) {
  const clock = { skew: 0 };
  const revocations = createRevocations({
    staleAfterMs,
    now: () => ({ monotonic: performance.now() + clock.skew, wall: Date.now() + clock.skew }),
  });
  const prove = (): void => revocations.confirmComplete(revocations.now());
  prove();
  const database = { up: true, rows: [] as ApiTokenRow[], statements: 0, before: async () => {} };
  const lookup = createApiTokenLookup({
    revocations,
    isUnavailable: () => true,
    query: async ({ hashes, ids }) => {
      database.statements += 1;
      if (!database.up) throw new Error('ECONNREFUSED');
      const found = database.rows.filter(
        ({ id, token_hash }) => ids.includes(id) || hashes.some((hash) => hash.equals(token_hash)),
      );
      await database.before();
      return found;
    },
    ...options,
  });
  const make = (row: Partial<ApiTokenRow> = {}) => {
    const text = createApiToken();
    const made: ApiTokenRow = {
      id: randomUUID(),
      token_hash: hashApiToken(text),
      user_id: randomUUID(),
      role: 'customer',
      scopes: ['files:read'],
      allowed_ips: [],
      expires_at: new Date(Date.now() + 3_600_000),
      ...row,
    };
    database.rows.push(made);
    return { text, row: made };
  };
  return {
    lookup,
    revocations,
    database,
    make,
    prove,
    pass: (ms: number) => {
      clock.skew += ms;
    },
  };
}

test('a hundred tokens are looked up in one statement', async (t) => {
  const { lookup, database, make } = build({}, 60_000);
  const tokens = Array.from({ length: 100 }, () => make());
  for (const round of [1, 2, 3]) {
    const found = await Promise.all(tokens.map(({ text }) => lookup.find(text)));
    t.strictSame(
      found.map((each) => each?.token.id),
      tokens.map(({ row }) => row.id),
      `round ${round}`,
    );
  }
  t.equal(database.statements, 1);
});

test('nothing remembered: each answer is right all the same', async (t) => {
  const { lookup, database, make } = build({ cacheSize: 1 });
  const [one, other] = [make(), make({ scopes: ['profile:read', 'of-tomorrow', 'tokens:manage'] })];
  for (let n = 0; n < 10; n += 1) {
    t.equal((await lookup.find(one.text))?.token.id, one.row.id);
    t.strictSame(
      (await lookup.find(other.text))?.token.scopes,
      ['profile:read'],
      'scopes that no token has allow nothing',
    );
  }
  t.equal(database.statements, 20);
  database.rows.length = 0;
  t.equal(await lookup.find(one.text), undefined);
});

test('unknown tokens are not cached', async (t) => {
  const { lookup, make } = build({ cacheSize: 10 });
  const { text } = make();
  await lookup.find(text);
  for (let n = 0; n < 100; n += 1) t.equal(await lookup.find(createApiToken()), undefined);
  t.equal(lookup.remembered(), 1);
});

test('a revoked token counts no more, also when its look-up was under way', async (t) => {
  const { lookup, revocations, database, make } = build();
  const known = make();
  await lookup.find(known.text);
  revocations.add({ kind: 'api_token', id: known.row.id, expiresAt: later });
  t.equal(await lookup.find(known.text), undefined);
  const racing = make();
  database.before = async () => {
    revocations.add({ kind: 'api_token', id: racing.row.id, expiresAt: later });
  };
  t.equal(
    await lookup.find(racing.text),
    undefined,
    'the row was read before the revocation, the answer came after',
  );
  t.equal(await lookup.find(racing.text), undefined);
});

test('what was looked up before a change of its owner is looked up again, once', async (t) => {
  const { lookup, revocations, database, make } = build();
  const { text, row } = make({ role: 'admin' });
  t.equal((await lookup.find(text))?.token.role, 'admin');
  row.role = 'customer';
  await sleep(2);
  revocations.add({ kind: 'user', id: row.user_id, expiresAt: later });
  t.equal((await lookup.find(text))?.token.role, 'customer');
  t.equal((await lookup.find(text))?.token.role, 'customer');
  t.equal(database.statements, 2);
  revocations.add({ kind: 'user', id: row.user_id, expiresAt: later });
  database.rows.length = 0;
  t.equal(await lookup.find(text), undefined, 'and again after the next change');
});

test('with a stale feed each look-up asks the database', async (t) => {
  const { lookup, database, make, pass, prove } = build();
  const { text } = make();
  await lookup.find(text);
  pass(10_000);
  await lookup.find(text);
  await lookup.find(text);
  t.equal(database.statements, 3);
  database.up = false;
  await t.rejects(lookup.find(text), { code: 'DEPENDENCY_UNAVAILABLE' });
  prove();
  t.ok(await lookup.find(text), 'a fresh feed vouches for what is remembered');
  await t.rejects(
    lookup.find(createApiToken()),
    { code: 'DEPENDENCY_UNAVAILABLE' },
    'not for what is not',
  );
});

test('a cached token lives for a minute at most', async (t) => {
  const { lookup, database, make, pass, prove } = build();
  const { text } = make();
  await lookup.find(text);
  pass(59_000);
  prove();
  t.ok(await lookup.find(text));
  t.equal(database.statements, 1);
  pass(2_000);
  prove();
  database.rows.length = 0;
  t.equal(await lookup.find(text), undefined);
});

test('an answer after its timeout admits nobody', async (t) => {
  const { lookup, database, make } = build({ timeoutMs: 30 });
  const { text } = make();
  database.before = () => sleep(60);
  await t.rejects(lookup.find(text), { code: 'DEPENDENCY_UNAVAILABLE' });
  t.equal(database.statements, 3, 'it was tried again');
  database.before = async () => {};
  t.ok(await lookup.find(text));
});

test('a cached token is refused once it expires', async (t) => {
  const { lookup, make } = build();
  const { text } = make({ expires_at: new Date(Date.now() + 40) });
  t.ok(await lookup.find(text));
  await sleep(50);
  t.equal(await lookup.find(text), undefined);
  t.equal(await lookup.find(make({ role: 'emperor' }).text), undefined);
});

test('what lasts is asked about again once its owner has changed', async (t) => {
  const { lookup, revocations, database, make } = build();
  const { text, row } = make();
  const found = await lookup.find(text);
  const known = {
    id: row.id,
    userId: row.user_id,
    expiresAt: row.expires_at,
    askedAt: found?.askedAt ?? 0,
  };
  t.notOk((await lookup.revalidate(known))?.token, 'nothing new');
  t.equal(database.statements, 1);
  revocations.add({ kind: 'user', id: row.user_id, expiresAt: later });
  t.equal((await lookup.revalidate(known))?.token?.id, row.id);
  database.rows.length = 0;
  t.equal(await lookup.revalidate(known), undefined);
});
