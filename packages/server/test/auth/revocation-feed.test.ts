import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { test, type Test } from 'tap';
import { createRevocations, type Role } from '@muniment/security';
import { signIn, timeBound, until } from '@muniment/testing';
import { startFaultProxy, type FaultProxy } from '../../../cluster/src/faults/fault-proxy.ts';
import { createRevocationFeed } from '../../src/auth/revocation-feed.ts';
import { addRoute } from '../add-route.ts';
import { build, checkProblem, type BuildOptions, type TestServer } from '../build.ts';
import { ensureSigningKey } from '../../../../services/user/signing-keys/signing-keys.ts';

interface SignedIn {
  userId: string;
  sessionId: string;
  token: string;
}

interface Feeding extends TestServer {
  signIn(role?: Role): Promise<SignedIn>;
  /** The status that this session's caller gets of a route that itself asks for nothing. */
  visit(session: SignedIn): Promise<number>;
  /** Visits during which the set was or became stale: the machine was too busy to follow. */
  staleVisits(): number;
  revoke(session: SignedIn): Promise<void>;
  /** A second connection, to be in a transaction of its own. */
  another(): Promise<pg.Client>;
}

/** A server with a signed-in route. */
async function withFeed(t: Test, options: BuildOptions = {}): Promise<Feeding> {
  const server = await build(t, {
    signing: async (db, masterKey) => ({
      key: await ensureSigningKey(db, masterKey),
      ttlSeconds: 900,
    }),
    ...options,
  });
  await server.keys.refresh();
  addRoute(server.app, {
    url: '/mine',
    access: { permission: 'files:read' },
    handler: ({ principal }) => ({ role: principal?.role }),
  });
  let staleVisits = 0;
  return {
    ...server,
    staleVisits: () => staleVisits,
    async signIn(role = 'customer') {
      const user = await signIn(server.rows, { role });
      return { ...user, token: server.app.accessTokens.issue(user).token };
    },
    async visit({ token }) {
      const headers = { authorization: `Bearer ${token}` };
      const wasFresh = server.revocations.isFresh();
      const { statusCode } = await server.app.inject({ url: '/mine', headers });
      if (!wasFresh || !server.revocations.isFresh()) staleVisits += 1;
      return statusCode;
    },
    revoke: async ({ sessionId }) =>
      void (await server.rows('update identity.sessions set revoked_at = now() where id = $1', [
        sessionId,
      ])),
    async another() {
      const url = new URL(server.config.DATABASE_URL);
      url.username = 'postgres';
      const client = new pg.Client({ connectionString: url.href });
      await client.connect();
      t.teardown(() => client.end());
      return client;
    },
  };
}

/** Visits until refused. @returns how long after the call it was last let in, and when it was refused, in ms */
async function refusal(
  server: Feeding,
  session: SignedIn,
): Promise<{ lastLetIn: number; refused: number }> {
  const began = performance.now();
  let lastLetIn = 0;
  for (;;) {
    const status = await server.visit(session);
    const passed = performance.now() - began;
    if (status === 401) return { lastLetIn, refused: passed };
    if (status !== 200 || passed > 5_000) throw new Error(`${status} after ${passed} ms`);
    lastLetIn = passed;
    await sleep(2);
  }
}

const killFeed = ({ rows }: Feeding) =>
  rows(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '%-feed'`,
  );
/** Rows are written and nobody is notified: as if every notification were lost. */
const loseNotifications = ({ rows }: Feeding) =>
  rows(
    `do $$ begin execute replace(pg_get_functiondef('identity.announce_revocation'::regproc), 'perform pg_notify(', 'perform concat('); end $$`,
  );

test('what is revoked is refused within milliseconds of its commit, and the database is asked for nothing', async (t) => {
  const server = await withFeed(t);
  const [a, b] = [await server.signIn(), await server.signIn()];
  t.equal(await server.visit(a), 200);
  await server.revoke(a);
  const { lastLetIn } = await refusal(server, a);
  t.ok(lastLetIn < 250, `${lastLetIn.toFixed(0)} ms`);
  t.equal(await server.visit(b), 200);
  const { stale, user_changed } = server.sessions.lookups();
  t.ok(stale <= server.staleVisits(), 'with a fresh set the database is not asked');
  t.equal(user_changed, 0);
  t.match(await server.rows(`select kind, id from identity.revocations`), [
    { kind: 'session', id: a.sessionId },
  ]);
});

test('whatever ends or changes a session, a user or a key announces it in its own transaction, and what is rolled back does not', async (t) => {
  const server = await withFeed(t);
  const { revocations, rows } = server;
  const known = async (holds: () => boolean) =>
    until(holds, { timeoutMs: timeBound(1_000) }).then(
      () => true,
      () => false,
    );
  const [deleted, shortened, changed, gone] = [
    await server.signIn(),
    await server.signIn(),
    await server.signIn(),
    await server.signIn(),
    // The last administrator could not be suspended.
    await server.signIn('admin'),
  ];
  await rows('delete from identity.sessions where id = $1', [deleted.sessionId]);
  t.ok(
    await known(() => revocations.isSessionRevoked(deleted.sessionId)),
    'a session that is deleted',
  );
  await rows('update identity.sessions set expires_at = now() where id = $1', [
    shortened.sessionId,
  ]);
  t.ok(
    await known(() => revocations.isSessionRevoked(shortened.sessionId)),
    'one whose life is shortened',
  );
  for (const change of [`type = 'admin'`, `status = 'suspended'`, `password_hash = 'another'`]) {
    const before = revocations.userChangedAt(changed.userId) ?? 0;
    await rows(`update identity.users set ${change} where id = $1`, [changed.userId]);
    t.ok(await known(() => (revocations.userChangedAt(changed.userId) ?? 0) > before), change);
  }
  await rows('delete from identity.users where id = $1', [gone.userId]);
  t.ok(
    await known(
      () =>
        revocations.userChangedAt(gone.userId) !== undefined &&
        revocations.isSessionRevoked(gone.sessionId),
    ),
    'an account that is deleted, with its sessions',
  );
  await rows(`update identity.signing_keys set status = 'retired'`);
  await rows(`update identity.signing_keys set status = 'compromised'`);
  // The server makes new ones at once.
  const keys = (await rows(`select from identity.signing_keys where status = 'compromised'`))
    .length;
  t.ok(keys > 0 && (await known(() => revocations.size('key') === keys)), 'a key');
  const size = revocations.size();

  const kept = await server.signIn();
  await rows(`update identity.users set name = 'Ada', type = type, updated = now() where id = $1`, [
    kept.userId,
  ]);
  await rows(
    `update identity.sessions set last_seen = now(), expires_at = expires_at + interval '1 day' where id = $1`,
    [kept.sessionId],
  );
  const client = await server.another();
  await client.query('begin');
  await client.query('update identity.sessions set revoked_at = now() where id = $1', [
    kept.sessionId,
  ]);
  await client.query('rollback');
  await rows(`delete from identity.sessions where id = $1`, [shortened.sessionId]);
  await sleep(600);
  t.equal(revocations.size(), size, 'and nothing else does');
});

test('a role, a suspension and a deletion count for the token that was issued before, within the second', async (t) => {
  const server = await withFeed(t);
  // The last administrator could not be demoted.
  const [session] = [await server.signIn('admin'), await server.signIn('admin')];
  const role = async () =>
    (
      await server.app.inject({
        url: '/mine',
        headers: { authorization: `Bearer ${session.token}` },
      })
    ).json().role;
  t.equal(await role(), 'admin');
  await server.rows(`update identity.users set type = 'customer' where id = $1`, [session.userId]);
  await until(async () => (await role()) === 'customer', { timeoutMs: timeBound(1_000) });
  await server.rows(`update identity.users set status = 'suspended' where id = $1`, [
    session.userId,
  ]);
  await refusal(server, session);
  await server.rows(`update identity.users set status = 'active' where id = $1`, [session.userId]);
  await sleep(600);
  t.equal(await server.visit(session), 401, 'what has ended does not come back');
  const deleted = await server.signIn('admin');
  t.equal(await server.visit(deleted), 200);
  await server.rows('delete from identity.users where id = $1', [deleted.userId]);
  await refusal(server, deleted);
  t.ok(server.sessions.lookups().user_changed >= 1, 'the database was asked after the change');
  t.ok(server.sessions.lookups().user_changed <= 10, 'and not at each request');
});

test('a notification holds kind, id and the second until which it counts, and no more', async (t) => {
  const server = await withFeed(t);
  const session = await server.signIn();
  const listener = await server.another();
  const payloads: (string | undefined)[] = [];
  listener.on('notification', ({ payload }) => payloads.push(payload));
  await listener.query('listen muniment_revocations');
  await server.rows(
    'insert into identity.access_token_lifetimes values (900, now()); delete from identity.access_token_lifetimes where seconds > 900',
  );
  await server.revoke(session);
  await until(() => payloads.length > 0, { timeoutMs: timeBound(1_000) });
  const [kind, id, second, ...more] = payloads[0]?.split(' ') ?? [];
  t.same([kind, id, more], ['session', session.sessionId, []]);
  t.ok(
    Math.abs(Number(second) - Date.now() / 1_000 - 960) < 5,
    'the longest lifetime in use and a minute',
  );
});

test('the listening connection is killed again and again: what is revoked meanwhile is refused in time, and the feed comes back', async (t) => {
  const server = await withFeed(t);
  for (let round = 0; round < 5; round += 1) {
    const session = await server.signIn();
    t.equal(await server.visit(session), 200);
    await killFeed(server);
    await server.revoke(session);
    const { lastLetIn } = await refusal(server, session);
    t.ok(lastLetIn < timeBound(1_000), `${lastLetIn.toFixed(0)} ms`);
    await until(
      () => server.revocations.isFresh() && server.revocations.isSessionRevoked(session.sessionId),
      { timeoutMs: timeBound(5_000) },
    );
  }
  t.match(
    await server.metrics.metrics(),
    /muniment_revocation_feed_connections_total\{service="user"\} [6-9]/,
  );
});

async function throughProxy(t: Test): Promise<{ server: Feeding; proxy: FaultProxy }> {
  const { hostname, port } = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const proxy = await startFaultProxy({ target: { host: hostname, port: Number(port) } });
  t.teardown(() => proxy.stop());
  return { server: await withFeed(t, { feedPort: proxy.port }), proxy };
}

test('a half-open feed connection: nobody revoked is let in after their second, everybody else is, and it recovers by itself', async (t) => {
  const { server, proxy } = await throughProxy(t);
  const [a, b] = [await server.signIn(), await server.signIn()];
  t.equal(await server.visit(a), 200);
  proxy.mode('blackhole');
  await server.revoke(a);
  const { lastLetIn, refused } = await refusal(server, a);
  t.ok(lastLetIn < timeBound(1_000), `last let in ${lastLetIn.toFixed(0)} ms after`);
  t.ok(refused > 300, 'the feed did not know');
  t.equal(await server.visit(b), 200);
  t.ok(server.sessions.lookups().stale > 0, 'the database was asked instead');
  t.match((await server.health.check()).revocation_feed, { status: 'down', critical: false });
  await sleep(2_500);
  proxy.mode('pass');
  await until(
    () => server.revocations.isFresh() && server.revocations.isSessionRevoked(a.sessionId),
    { timeoutMs: timeBound(5_000) },
  );
  await sleep(520);
  t.match((await server.health.check()).revocation_feed, { status: 'up' });
});

test('a feed that nobody asks rests: the next request asks the database, and wakes it', async (t) => {
  const server = await withFeed(t);
  const { revocations } = server;
  const [revoked, other] = [await server.signIn(), await server.signIn()];
  t.equal(await server.visit(revoked), 200);
  await until(() => revocations.ageMs() > 1_500, { what: 'the rest', timeoutMs: 20_000 });
  t.match((await server.health.check()).revocation_feed, { status: 'up' }, 'as it should be');
  await loseNotifications(server);
  await server.revoke(revoked);
  t.notOk(revocations.isSessionRevoked(revoked.sessionId), 'nothing has told the replica');
  const lookups = server.sessions.lookups().stale;
  t.equal(await server.visit(revoked), 401);
  t.equal(server.sessions.lookups().stale, lookups + 1);
  // Before the next heart-beat of the rest.
  await until(() => revocations.ageMs() < 250, { what: 'the heart-beat', timeoutMs: 3_000 });
  t.ok(revocations.isSessionRevoked(revoked.sessionId));
  t.equal(await server.visit(other), 200);
});

test('what was revoked while the feed was away is read when it is back, however much', async (t) => {
  const { server, proxy } = await throughProxy(t);
  const session = await server.signIn();
  proxy.mode('refuse');
  await until(() => !server.revocations.isFresh(), { timeoutMs: timeBound(2_000) });
  await server.revoke(session);
  await server.rows(
    `insert into identity.revocations select 'session', gen_random_uuid(), now(), now() + interval '1 hour', pg_current_xact_id() from generate_series(1, 12000)`,
  );
  proxy.mode('pass');
  await until(() => server.revocations.isFresh(), { timeoutMs: timeBound(5_000) });
  t.equal(server.revocations.size('session'), 12_001);
  t.equal(await server.visit(session), 401);
});

test('the feed and the database both gone: 503 with Retry-After, nobody is let in, and all is well when they are back', async (t) => {
  const { hostname, port } = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const proxy = await startFaultProxy({ target: { host: hostname, port: Number(port) } });
  t.teardown(() => proxy.stop());
  const server = await withFeed(t, { databasePort: proxy.port });
  const session = await server.signIn();
  t.equal(await server.visit(session), 200);
  for (const fault of ['refuse', 'blackhole'] as const) {
    proxy.mode(fault);
    await until(() => !server.revocations.isFresh(), { timeoutMs: timeBound(2_000) });
    const began = performance.now();
    const answer = await server.app.inject({
      url: '/mine',
      headers: { authorization: `Bearer ${session.token}` },
    });
    checkProblem(t, answer, 503, 'dependency_unavailable');
    t.equal(answer.headers['retry-after'], '1');
    t.ok(performance.now() - began < timeBound(4_000), `${fault}: soon`);
    proxy.mode('pass');
    await until(async () => (await server.visit(session)) === 200, { timeoutMs: timeBound(5_000) });
    await until(() => server.revocations.isFresh(), { timeoutMs: timeBound(5_000) });
  }
});

test('notifications that are lost are made up for by the heart-beat, also of a transaction that took long to commit', async (t) => {
  const server = await withFeed(t);
  await loseNotifications(server);
  const [a, b] = [await server.signIn(), await server.signIn()];
  const slow = await server.another();
  await slow.query('begin');
  await slow.query('update identity.sessions set revoked_at = now() where id = $1', [b.sessionId]);
  await server.revoke(a);
  const { lastLetIn } = await refusal(server, a);
  t.ok(lastLetIn < timeBound(1_000), `${lastLetIn.toFixed(0)} ms`);
  await sleep(600);
  t.equal(await server.visit(b), 200, 'not committed yet');
  await slow.query('commit');
  t.ok(
    (await refusal(server, b)).lastLetIn < timeBound(1_000),
    'though its transaction is older than the one before',
  );
  const { stale, user_changed } = server.sessions.lookups();
  t.ok(stale <= server.staleVisits(), 'with a fresh set the database is not asked');
  t.equal(user_changed, 0);
  t.match(
    await server.metrics.metrics(),
    /muniment_revocations_unannounced_total\{service="user"\} 2/,
  );
});

test('rows of another server, out of a dump, are read at the start and not four times a second', async (t) => {
  const server = await withFeed(t);
  const foreign = randomUUID();
  await server.rows(
    `insert into identity.revocations values ('user', $1, now(), now() + interval '1 hour', '4000000000')`,
    [foreign],
  );
  await killFeed(server);
  await until(
    () => server.revocations.userChangedAt(foreign) !== undefined && server.revocations.isFresh(),
    { timeoutMs: timeBound(5_000) },
  );
  const before = server.revocations.userChangedAt(foreign);
  await sleep(700);
  t.equal(server.revocations.userChangedAt(foreign), before);
});

test('a set that could be read only in part is believed of nothing, and not kept', async (t) => {
  const server = await withFeed(t);
  const [live, ended] = [await server.signIn(), await server.signIn()];
  await server.revoke(ended);
  const revocations = createRevocations({ maxEntries: 4_999 });
  // Ids that sort before any of ours, so that a page of them is all that is read.
  await server.rows(
    `insert into identity.revocations select 'key', lpad(n::text, 6, '0'), now(), now() + interval '1 hour', pg_current_xact_id() from generate_series(1, 5000) n`,
  );
  const feed = createRevocationFeed({
    url: server.config.DATABASE_URL,
    applicationName: 'small-feed',
    revocations,
    log: { info() {}, warn() {} },
  });
  t.teardown(() => feed.stop());
  await feed.start();
  await sleep(300);
  t.equal(revocations.size(), 0, 'a part is not kept');
  t.notOk(revocations.isSessionRevoked(ended.sessionId), 'and what was not read is not there');
  t.notOk(revocations.isFresh());
  t.equal(await server.visit(live), 200);
});

test('a change that began in time is refused when its key has been compromised since', async (t) => {
  const server = await withFeed(t);
  const session = await server.signIn();
  const principal = {
    id: session.userId,
    role: 'customer' as const,
    sessionId: session.sessionId,
    tokenId: randomUUID(),
    keyId: server.keys.jwks().keys[0]?.kid ?? '',
    expiresAt: new Date(Date.now() + 900_000),
    apiToken: null,
  };
  t.ok(await server.revalidatePrincipal(principal));
  await server.rows(`update identity.signing_keys set status = 'compromised'`);
  await until(async () => (await server.revalidatePrincipal(principal)) === undefined, {
    timeoutMs: timeBound(1_000),
  });
});

test('a compromised key is let go of at once, with what it has signed, and another signs', async (t) => {
  const server = await withFeed(t);
  const session = await server.signIn();
  t.equal(await server.visit(session), 200);
  const before = server.keys.jwks().keys.map(({ kid }) => kid);
  await server.rows(`update identity.signing_keys set status = 'compromised'`);
  const { lastLetIn } = await refusal(server, session);
  t.ok(lastLetIn < timeBound(1_000), `${lastLetIn.toFixed(0)} ms`);
  await until(async () => (await server.visit(await server.signIn())) === 200, {
    timeoutMs: timeBound(5_000),
  });
  t.notOk(server.keys.jwks().keys.some(({ kid }) => before.includes(kid)));
});
