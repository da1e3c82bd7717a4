import { createCipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto';
import * as argon2 from 'argon2';
import t, { type Test } from 'tap';
import { build, type TestServer } from '../build.ts';
import { importFile, ndjson, signInAdmin } from './admin.ts';

let server: TestServer;
let token: string;
t.before(async () => {
  server = await build(t);
  token = await signInAdmin(server);
});
// The administrator stays.
t.beforeEach(async () => {
  await server.rows(`delete from identity.users where email <> 'admin@example.com'`);
});

// Test vectors of jBCrypt.
const PASSWORD = 'abc';
const HASH = '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i';
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';
const ALPHABET_HASH = '$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC';

const logIn = ({ call }: TestServer, email: string, password: string) =>
  call('POST', '/api/users/login', { body: { email, password } });

/** Twice: with the foreign hash, and with ours, which the first login has stored. */
async function signsInByOldPassword(
  t: Test,
  server: TestServer,
  { email, password }: { email: string; password: string },
): Promise<void> {
  t.equal((await logIn(server, email, `${password}!`)).statusCode, 401);
  // Replicas of the version before check only this column: the login is a wrong password to them.
  t.match(await hashesOf(server, email), [{ password_hash: null, foreign_hash: String }]);
  for (const attempt of [1, 2])
    t.equal((await logIn(server, email, password)).statusCode, 200, `login ${attempt}`);
  t.match(await hashesOf(server, email), [
    { password_hash: /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/, foreign_hash: null },
  ]);
  t.equal((await logIn(server, email, `${password}!`)).statusCode, 401);
}

const hashesOf = ({ rows }: TestServer, email: string) =>
  rows('select password_hash, foreign_hash from identity.users where email = $1', [email]);

t.test('a team leaves Supabase', async (t) => {
  const id = '6f1f1bb0-8f5e-4c39-9f0a-2b1d3c4e5f60';
  const { summary } = await importFile(server, token, {
    source: 'supabase',
    type: 'text/csv',
    body: [
      'instance_id,id,aud,role,email,encrypted_password,email_confirmed_at,raw_user_meta_data,' +
        'created_at,phone,phone_confirmed_at,banned_until,deleted_at',
      `0,${id},authenticated,authenticated,ada@example.com,${HASH},2023-05-01 10:00:00.123+00,` +
        '"{""full_name"": ""Ada Lovelace""}",2023-05-01 09:00:00+00,4930901820,' +
        '2023-06-01 10:00:00+00,,',
      `0,${id.replace('6f', '7f')},authenticated,authenticated,bob@example.com,${HASH},,,` +
        '2023-05-01 09:00:00+00,,,2999-01-01 00:00:00+00,',
    ].join('\n'),
  });
  t.same(summary, { rows: 2, created: 2, existing: 0, refused: 0 });
  t.match(
    await server.rows(
      `select id, name, phone, phone_verified_at is not null as phone_verified, is_verified,
         email_verified_at, status from identity.users where type = 'customer' order by email`,
    ),
    [
      {
        id,
        name: 'Ada Lovelace',
        phone: '+4930901820',
        phone_verified: true,
        is_verified: true,
        email_verified_at: new Date('2023-05-01T10:00:00.123Z'),
        status: 'active',
      },
      { status: 'suspended', is_verified: false },
    ],
  );
  // Shorter than our own rules allow.
  await signsInByOldPassword(t, server, { email: 'ada@example.com', password: PASSWORD });
  t.equal((await logIn(server, 'bob@example.com', PASSWORD)).statusCode, 401);
});

t.test('a team leaves Auth0', async (t) => {
  const password = ALPHABET;
  const salt = randomBytes(16);
  const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const users: Record<string, object> = {
    bcrypt: { _id: { $oid: '5f1' }, passwordHash: ALPHABET_HASH },
    argon2: {
      user_id: '5f2',
      custom_password_hash: {
        algorithm: 'argon2',
        hash: { value: await argon2.hash(password, { memoryCost: 4_096, timeCost: 3 }) },
      },
    },
    pbkdf2: {
      user_id: 'auth0|5f3',
      custom_password_hash: {
        algorithm: 'pbkdf2',
        hash: {
          value:
            `$pbkdf2-sha256$i=10000,l=32$${unpadded(salt)}$` +
            unpadded(pbkdf2Sync(password, salt, 10_000, 32, 'sha256')),
          encoding: 'utf8',
        },
      },
    },
    scrypt: {
      custom_password_hash: {
        algorithm: 'scrypt',
        hash: {
          value: scryptSync(password, salt, 64, { N: 4_096, r: 8, p: 1 }).toString('hex'),
          encoding: 'hex',
        },
        salt: { value: salt.toString('base64'), encoding: 'base64' },
        keylen: 64,
        cost: 4_096,
        blockSize: 8,
        parallelization: 1,
      },
    },
  };
  const { summary } = await importFile(server, token, {
    source: 'auth0',
    body: ndjson(
      ...Object.entries(users).map(([name, user]) => ({
        email: `${name}@example.com`,
        email_verified: true,
        given_name: 'Ada',
        tenant: 'example',
        ...user,
      })),
    ),
  });
  t.same(summary, { rows: 4, created: 4, existing: 0, refused: 0 });
  t.match(
    await server.rows(
      'select email from identity.users where external_id = $1 and email_verified_at is not null',
      ['auth0|5f1'],
    ),
    [{ email: 'bcrypt@example.com' }],
  );
  for (const name of Object.keys(users))
    await signsInByOldPassword(t, server, { email: `${name}@example.com`, password });
});

t.test('a team leaves Firebase', async (t) => {
  const password = 'user1password';
  const signerKey = randomBytes(64);
  const salt = randomBytes(10);
  const separator = Buffer.from([7]);
  const key = scryptSync(password, Buffer.concat([salt, separator]), 32, { N: 1 << 12, r: 8 });
  const hash = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(signerKey);
  // What `firebase auth:export users.json` writes.
  const exported = {
    users: [
      {
        localId: 'WZJ9mVbzYnRxyVqfXfQVfOe5Ur32',
        email: 'ada@example.com',
        emailVerified: true,
        passwordHash: hash.toString('base64url'),
        salt: salt.toString('base64url'),
        displayName: 'Ada',
        createdAt: '1690000000000',
        disabled: false,
        providerUserInfo: [],
      },
    ],
  };
  const parameters = {
    hash_config: {
      algorithm: 'SCRYPT',
      base64_signer_key: signerKey.toString('base64'),
      base64_salt_separator: separator.toString('base64'),
      rounds: 8,
      mem_cost: 12,
    },
  };
  const { summary } = await importFile(server, token, {
    source: 'firebase',
    body: ndjson(parameters, ...exported.users),
  });
  t.same(summary, { rows: 1, created: 1, existing: 0, refused: 0 });
  await signsInByOldPassword(t, server, { email: 'ada@example.com', password });
  const stored = await server.rows<{ wrapped_key: Buffer }>(
    'select wrapped_key from identity.signer_keys',
  );
  t.equal(stored.length, 1);
  t.notOk(stored[0]?.wrapped_key.includes(signerKey), 'the signer key is wrapped');
});
