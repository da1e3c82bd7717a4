import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { openPersonal } from '@muniment/audit-events';
import type { Principal } from '@muniment/security';
import { requestContext, signIn, timeBound, until } from '@muniment/testing';
import { build as buildServer, type TestServer } from '../build.ts';

const USER = '0190a1b2-c3d4-7e5f-8a9b-000000000001';
const SESSION = '0190a1b2-c3d4-7e5f-8a9b-0000000000aa';
const PRINCIPAL: Principal = {
  id: USER,
  role: 'customer',
  sessionId: SESSION,
  tokenId: 'token',
  keyId: 'key',
  apiToken: null,
  expiresAt: new Date(Date.now() + 900_000),
};
const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const SIGNED_IN = requestContext({
  headers: { 'user-agent': 'tap/21' },
  principal: PRINCIPAL,
  traceparent: TRACE,
});
const ANONYMOUS = requestContext();

/** A server with the caller's account and session. */
async function build(t: Test): Promise<TestServer> {
  const server = await buildServer(t);
  await signIn(server.rows, { userId: USER, sessionId: SESSION });
  return server;
}

const leases = ({ rows }: TestServer) =>
  rows(`select name from identity.leases where name like 'probe%'`);
const makeLease = (name: string) =>
  sql`insert into identity.leases (name, holder, epoch, expires_at) values (${name}, 'a', 1, now())`;

test('a change and its event are committed together', async (t) => {
  const server = await build(t);
  const id = await server.inTransaction(SIGNED_IN, async (trx, record) => {
    await makeLease('probe').execute(trx);
    return record({
      action: 'PROFILE_UPDATE',
      resource: USER,
      resource_type: 'user',
      metadata: { fields: ['name'] },
    });
  });
  t.strictSame(await leases(server), [{ name: 'probe' }]);
  t.match(await server.events(), [
    {
      id,
      action: 'PROFILE_UPDATE',
      outcome: 'success',
      resource: USER,
      resource_type: 'user',
      metadata: { fields: ['name'] },
    },
  ]);
});

test('an event names the API token by which its request came', async (t) => {
  const server = await build(t);
  const id = '0190a1b2-c3d4-7e5f-8a9b-0000000000bb';
  const principal: Principal = {
    id: USER,
    role: 'customer',
    expiresAt: PRINCIPAL.expiresAt,
    sessionId: null,
    apiToken: { id, scopes: ['profile:write'], askedAt: 0 },
  };
  const event = { action: 'PROFILE_UPDATE', metadata: { fields: ['name'] } };
  await server.recordFor(requestContext({ principal }), event);
  await server.recordFor(SIGNED_IN, event);
  const events = await server.events();
  t.strictSame(
    events.map(({ metadata }) => metadata),
    [{ fields: ['name'], api_token: id }, { fields: ['name'] }],
  );
});

test('a change without an event is rolled back with an error', async (t) => {
  const server = await build(t);
  await t.rejects(
    server.inTransaction(SIGNED_IN, async (trx) => {
      await makeLease('probe').execute(trx);
    }),
    /without an audit event/,
  );
  t.strictSame(await leases(server), []);
});

test('a change that fails takes its event with it, whether it fails before or after the event', async (t) => {
  const server = await build(t);
  await t.rejects(
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      await makeLease('probe').execute(trx);
      await record({ action: 'PROFILE_UPDATE' });
      throw new Error('changed my mind');
    }),
    /changed my mind/,
  );
  await t.rejects(
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      await record({ action: 'PROFILE_UPDATE' });
      await sql`select 1 / 0`.execute(trx);
    }),
    /division by zero/,
  );
  t.strictSame(await leases(server), []);
  t.strictSame(await server.events(), []);
});

test('a change of a caller whose session has ended since they were let in does not begin', async (t) => {
  const server = await build(t);
  const change = () =>
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      await makeLease('probe').execute(trx);
      return record({ action: 'PROFILE_UPDATE' });
    });
  await server.rows('update identity.sessions set revoked_at = now()');
  await until(() => server.revocations.isSessionRevoked(SESSION), { timeoutMs: timeBound(1_000) });
  await t.rejects(change(), { code: 'UNAUTHENTICATED', statusCode: 401 });
  t.strictSame(await leases(server), []);
  t.strictSame(await server.events(), []);
});

test('an event that cannot be recorded takes the change with it', async (t) => {
  const server = await build(t);
  await t.rejects(
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      await makeLease('probe').execute(trx);
      await record({ action: 'PROFILE_UPDATE', metadata: { much: 'a'.repeat(20_000) } });
    }),
    RangeError,
  );
  t.strictSame(await leases(server), []);
});

test('events that PostgreSQL refuses take the change with them, though COMMIT is sent before it has said so', async (t) => {
  const server = await build(t);
  await server.rows(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused %', new.lane using errcode = 'check_violation'; end $$`,
  );
  await server.rows(
    'create trigger refuse before insert on identity.outbox for each row execute function refuse()',
  );
  for (const events of [1, 3]) {
    await t.rejects(
      server.inTransaction(SIGNED_IN, async (trx, record) => {
        await makeLease('probe').execute(trx);
        for (let n = 0; n < events; n += 1) await record({ action: 'PROFILE_UPDATE' });
      }),
      /refused/,
    );
  }
  t.strictSame(await leases(server), []);
  await server.rows('drop trigger refuse on identity.outbox');
  await server.inTransaction(SIGNED_IN, async (trx, record) => {
    await makeLease('probe').execute(trx);
    await record({ action: 'PROFILE_UPDATE' });
    await record({ action: 'PROFILE_UPDATE' });
  });
  t.strictSame(await leases(server), [{ name: 'probe' }]);
  t.equal((await server.events()).length, 2);
});

test('of two changes that lock each other out both go through, each with one event', async (t) => {
  const server = await build(t);
  await server.rows(
    `insert into identity.leases (name, holder, epoch, expires_at) values ('probe-a', 'a', 1, now()), ('probe-b', 'a', 1, now())`,
  );
  // Makes the subject's key: who makes it holds a lock to the end of its transaction.
  await server.recordFor(SIGNED_IN, { action: 'PROFILE_UPDATE' });
  const tries: string[] = [];
  let holding = 0;
  let both = (): void => {};
  const locked = new Promise<void>((resolve) => {
    both = resolve;
  });
  const change = (first: string, second: string) =>
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      tries.push(first);
      await record({ action: 'PROFILE_UPDATE', metadata: { first } });
      await sql`update identity.leases set epoch = epoch + 1 where name = ${first}`.execute(trx);
      holding += 1;
      if (holding === 2) both();
      await locked;
      await sql`update identity.leases set epoch = epoch + 1 where name = ${second}`.execute(trx);
      return first;
    });
  t.strictSame(await Promise.all([change('probe-a', 'probe-b'), change('probe-b', 'probe-a')]), [
    'probe-a',
    'probe-b',
  ]);
  t.equal(tries.length, 3, 'one of them ran again');
  t.strictSame(await server.rows('select epoch from identity.leases'), [
    { epoch: '3' },
    { epoch: '3' },
  ]);
  t.equal((await server.events()).length, 3);
});

test('a change that meets a conflict each time is given up after three tries, as a database that cannot serve now', async (t) => {
  const server = await build(t);
  let tries = 0;
  await t.rejects(
    server.inTransaction(SIGNED_IN, async (trx, record) => {
      tries += 1;
      await record({ action: 'PROFILE_UPDATE' });
      await sql`do $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$`.execute(
        trx,
      );
    }),
    { code: '40001' },
  );
  t.equal(tries, 3);
  t.strictSame(await server.events(), []);
});

test('a change that fails otherwise is not run again', async (t) => {
  const server = await build(t);
  let tries = 0;
  await t.rejects(
    server.inTransaction(SIGNED_IN, async () => {
      tries += 1;
      throw new Error('changed my mind');
    }),
    /changed my mind/,
  );
  t.equal(tries, 1);
});

test('an event tells who called, by which session, under which request and trace', async (t) => {
  const server = await build(t);
  await server.recordFor(SIGNED_IN, { action: 'FILE_DOWNLOAD' });
  t.match(await server.events(), [
    {
      user_id: USER,
      session_id: SESSION,
      request_id: SIGNED_IN.id,
      traceparent: TRACE,
      source: 'user',
      outcome: 'success',
      error: null,
      personal: { subject: USER },
    },
  ]);
});

test("an event carries the caller's address and user agent, and what more is given, sealed under its subject's key", async (t) => {
  const server = await build(t);
  await server.recordFor(SIGNED_IN, {
    action: 'LOGIN_SUCCESS',
    personal: { email: 'ada@example.com' },
  });
  const [event] = await server.events();
  if (!event?.personal) return t.fail('no personal block');
  t.notMatch(JSON.stringify(event), /203\.0\.113\.9|tap\/21|ada@example/);
  const key = await server.subjectKeys.forSubject(server.db, { userId: USER });
  if (!key) return t.fail('no key');
  t.strictSame(
    openPersonal(String(event.id), event.personal as Parameters<typeof openPersonal>[1], key),
    { ip: '203.0.113.9', user_agent: 'tap/21', email: 'ada@example.com' },
  );
});

test('where nobody is signed in, the event names its subject and no user, and without a subject it is refused', async (t) => {
  const server = await build(t);
  await server.recordFor(ANONYMOUS, {
    action: 'LOGIN_FAIL',
    outcome: 'failure',
    error: 'invalid_credentials',
    subject: { userId: USER },
  });
  t.match(await server.events(), [
    {
      user_id: null,
      session_id: null,
      outcome: 'failure',
      error: 'invalid_credentials',
      traceparent: null,
      personal: { subject: USER },
    },
  ]);
  await t.rejects(server.recordFor(ANONYMOUS, { action: 'LOGIN_FAIL' }), /names no subject/);
  t.equal((await server.events()).length, 1);
});

test('a handler may state another user or session than the one that called', async (t) => {
  const server = await build(t);
  const other = '0190a1b2-c3d4-7e5f-8a9b-000000000002';
  await server.recordFor(SIGNED_IN, {
    action: 'ROLE_CHANGE',
    user_id: other,
    session_id: null,
    subject: { userId: other },
  });
  t.match(await server.events(), [
    { user_id: other, session_id: null, personal: { subject: other } },
  ]);
});
