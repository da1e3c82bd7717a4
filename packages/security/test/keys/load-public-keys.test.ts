import { createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { createTestDatabase } from '@muniment/testing';
import { createMasterKey } from '@muniment/master-key';
import { calculateJwkThumbprint } from 'jose';
import { sql } from 'kysely';
import { test } from 'tap';
import { createPublicKeyRing, loadPublicKeys } from '../../src/index.ts';
import { ensureSigningKey } from '../../../../services/user/signing-keys/signing-keys.ts';
import { connect } from '../connect.ts';

test('other services see only the public part of a key', async (t) => {
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
