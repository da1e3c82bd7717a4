import { createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/database/testing';
import { createMasterKey } from '@muniment/master-key';
import { calculateJwkThumbprint } from 'jose';
import { sql } from 'kysely';
import { type Test, test } from 'tap';
import {
  createPublicKeyRing,
  createRevocations,
  createSessionLookup,
  ensureSigningKey,
  loadActiveSigningKey,
  loadPublicKeys,
  queryLiveSessions,
} from '../../src/index.ts';

type Stored = { kid: string; wrapped_private: Buffer; status: string };

const connect = (t: Test, url: string) => {
  const { db } = createDatabase<Record<never, never>>({
    url,
    applicationName: 'security-test',
    poolMax: 4,
  });
  t.teardown(() => db.destroy());
  return db;
};

test('replicas that start together get one and the same key', async (t) => {
  const database = await createTestDatabase(t);
  const masterKey = createMasterKey(randomBytes(32));
  const replicas = Array.from({ length: 4 }, () => connect(t, database.url('user_service')));
  const [first] = replicas;
  if (!first) throw new Error('no replica');
  t.equal(await loadActiveSigningKey(first, masterKey), undefined, 'none before the first start');

  const keys = await Promise.all(
    Array.from({ length: 12 }, (_, i) => ensureSigningKey(replicas[i % 4] ?? first, masterKey)),
  );
  t.equal(new Set(keys.map(({ kid }) => kid)).size, 1);
  t.equal(new Set(keys.map(({ privatePem }) => privatePem)).size, 1);
  const { rows } = await sql<Stored>`select * from identity.signing_keys order by status`.execute(
    first,
  );
  t.same(
    rows.map(({ status }) => status),
    ['active', 'next'],
    'and one that will sign after it',
  );
  t.same(await ensureSigningKey(first, masterKey), keys[0], 'a later start finds it');
});

test('the private part is stored wrapped, and opens under its own master key alone', async (t) => {
  const database = await createTestDatabase(t);
  const db = connect(t, database.url('user_service'));
  const masterKey = createMasterKey(randomBytes(32));
  const key = await ensureSigningKey(db, masterKey);
  const {
    rows: [row],
  } = await sql<Stored>`select * from identity.signing_keys where status = 'active'`.execute(db);
  const der = Buffer.from(key.privatePem.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64');
  t.notOk(row?.wrapped_private.includes(der.subarray(-32)));
  await t.rejects(loadActiveSigningKey(db, createMasterKey(randomBytes(32))), {
    code: 'master_key_mismatch',
  });
  // Wrapped bytes moved to another kid (by who can write rows, yet has no master key) do not open.
  await sql`update identity.signing_keys set kid = 'another' where status = 'active'`.execute(db);
  await t.rejects(loadActiveSigningKey(db, masterKey), { code: 'master_key_unwrap_failed' });
});

test('other services see the public part through the view, and no more', async (t) => {
  const database = await createTestDatabase(t);
  const masterKey = createMasterKey(randomBytes(32));
  const key = await ensureSigningKey(connect(t, database.url('user_service')), masterKey);
  const other = connect(t, database.url('file_service'));
  const ring = createPublicKeyRing({ load: () => loadPublicKeys(other) });
  t.teardown(() => ring.close());
  const found = await ring.get(key.kid);
  if (!found) throw new Error('the ring has no key');
  t.equal(await calculateJwkThumbprint(found.jwk), key.kid, 'the kid is the RFC 7638 thumbprint');
  t.ok(
    verify(
      null,
      Buffer.from('text'),
      createPublicKey(found.pem),
      sign(null, Buffer.from('text'), key.privatePem),
    ),
  );
  await t.rejects(sql`select * from identity.signing_keys`.execute(other), { code: '42501' });
  await t.rejects(ensureSigningKey(other, masterKey), { code: '42501' });
});

test('the session look-up reads the real view', async (t) => {
  const database = await createTestDatabase(t);
  const users = connect(t, database.url('user_service'));
  const {
    rows: [user],
  } = await sql<{ id: string }>`
    insert into identity.users (id, type, email, email_key) values (uuidv7(), 'vendor', 'a@example.com', 'a@example.com') returning id`.execute(
    users,
  );
  const { rows } = await sql<{ id: string }>`
    insert into identity.sessions (id, user_id, idle_timeout, expires_at)
    values (uuidv7(), ${user?.id}, interval '1 hour', now() + interval '1 hour'), (uuidv7(), ${user?.id}, interval '1 hour', now() - interval '1 second') returning id`.execute(
    users,
  );
  const [live = { id: '' }, expired = { id: '' }] = rows;
  // Never proved, hence stale: the database is asked each time.
  const sessions = createSessionLookup({
    revocations: createRevocations(),
    query: queryLiveSessions(connect(t, database.url('audit_service'))),
  });
  const isLive = (session: { id: string }) =>
    sessions.isLive({ sessionId: session.id, userId: user?.id ?? '', role: 'customer' });
  t.match(await isLive(live), { live: true, role: 'vendor' });
  t.same(await isLive(expired), { live: false });
  await sql`update identity.sessions set revoked_at = now() where id = ${live.id}`.execute(users);
  t.same(await isLive(live), { live: false });
  await sql`update identity.sessions set revoked_at = null`.execute(users);
  await sql`update identity.users set status = 'suspended'`.execute(users);
  t.same(await isLive(live), { live: false }, 'a suspended user has no live session');
});
