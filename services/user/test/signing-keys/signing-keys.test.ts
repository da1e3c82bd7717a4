import { randomBytes } from 'node:crypto';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/testing';
import { createMasterKey } from '@muniment/master-key';
import { sql } from 'kysely';
import { type Test, test } from 'tap';
import { ensureSigningKey, loadActiveSigningKey } from '../../signing-keys/signing-keys.ts';

interface StoredKey {
  kid: string;
  wrapped_private: Buffer;
  status: string;
}

const connect = (t: Test, url: string) => {
  const { db } = createDatabase<Record<never, never>>({
    url,
    applicationName: 'signing-keys-test',
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
  const { rows } =
    await sql<StoredKey>`select * from identity.signing_keys order by status`.execute(first);
  t.same(
    rows.map(({ status }) => status),
    ['active', 'next'],
    'and one that will sign after it',
  );
  t.same(await ensureSigningKey(first, masterKey), keys[0], 'a later start finds it');
});

test('the private part is stored wrapped and opens only with its master key', async (t) => {
  const database = await createTestDatabase(t);
  const db = connect(t, database.url('user_service'));
  const masterKey = createMasterKey(randomBytes(32));
  const key = await ensureSigningKey(db, masterKey);
  const {
    rows: [row],
  } = await sql<StoredKey>`select * from identity.signing_keys where status = 'active'`.execute(db);
  const der = Buffer.from(key.privatePem.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64');
  t.notOk(row?.wrapped_private.includes(der.subarray(-32)));
  await t.rejects(loadActiveSigningKey(db, createMasterKey(randomBytes(32))), {
    code: 'master_key_mismatch',
  });
  // An attacker without the master key copies wrapped bytes to another kid.
  await sql`update identity.signing_keys set kid = 'another' where status = 'active'`.execute(db);
  await t.rejects(loadActiveSigningKey(db, masterKey), { code: 'master_key_unwrap_failed' });
});
