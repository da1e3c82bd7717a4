import { pbkdf2Sync, scryptSync } from 'node:crypto';
import * as argon2 from 'argon2';
import bcrypt from 'bcrypt';
import { test } from 'tap';
import {
  createPasswordHasher,
  encodeForeignHash,
  ForeignHashFault,
  parseForeignHash,
} from '../../src/index.ts';

const password = 'pässword ﬁ';
const salt = Buffer.from('0123456789abcdef');
const pbkdf2 = (digest: string) => pbkdf2Sync(password, salt, 1_000, 32, digest);
const scrypt = scryptSync(password, salt, 64, { N: 1_024, r: 8, p: 1 });
const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');

const FORMS: Record<string, () => string | Promise<string>> = {
  bcrypt: () => bcrypt.hash(password, 4),
  'bcrypt of PHP': async () => (await bcrypt.hash(password, 4)).replace('$2b$', '$2y$'),
  argon2id: () => argon2.hash(password, { memoryCost: 1_024, timeCost: 3 }),
  argon2i: () => argon2.hash(password, { type: argon2.argon2i, memoryCost: 1_024, timeCost: 3 }),
  'PBKDF2 of Auth0': () =>
    `$pbkdf2-sha512$i=1000,l=32$${unpadded(salt)}$${unpadded(pbkdf2('sha512'))}`,
  'PBKDF2 of Django': () =>
    `pbkdf2_sha256$1000$${salt.toString()}$${pbkdf2('sha256').toString('base64')}`,
  'PBKDF2 of passlib': () =>
    `$pbkdf2-sha256$1000$${unpadded(salt)}$${unpadded(pbkdf2('sha256'))}`.replaceAll('+', '.'),
  'PBKDF2 of passlib with SHA-1': () =>
    `$pbkdf2$1000$${unpadded(salt)}$${unpadded(pbkdf2('sha1'))}`.replaceAll('+', '.'),
  'PBKDF2 of Werkzeug': () =>
    `pbkdf2:sha256:1000$${salt.toString()}$${pbkdf2('sha256').toString('hex')}`,
  'scrypt of Werkzeug': () => `scrypt:1024:8:1$${salt.toString()}$${scrypt.toString('hex')}`,
  scrypt: () => `$scrypt$ln=10,r=8,p=1$${unpadded(salt)}$${unpadded(scrypt)}`,
};

for (const [name, make] of Object.entries(FORMS))
  test(`a password as typed has its hash: ${name}`, async (t) => {
    const hasher = createPasswordHasher();
    const hash = encodeForeignHash(parseForeignHash(await make()));
    t.same(await hasher.verifyForeign(hash, password), { ok: true, needsRehash: true });
    t.same(await hasher.verifyForeign(hash, `${password}!`), { ok: false, needsRehash: false });
    t.same(await hasher.verifyForeign(hash, password.normalize('NFKC')), {
      ok: false,
      needsRehash: false,
    });
  });

test("Firebase's own example verifies", async (t) => {
  const signerKey = Buffer.from(
    'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==',
    'base64',
  );
  const keyId = '0'.repeat(32);
  const hasher = createPasswordHasher({ loadSignerKey: () => Promise.resolve(signerKey) });
  const hash = encodeForeignHash({
    algorithm: 'firebase-scrypt',
    logCost: 14,
    blockSize: 8,
    keyId,
    salt: Buffer.concat([Buffer.from('42xEC+ixf3L2lw==', 'base64'), Buffer.from('Bw==', 'base64')]),
    digest: Buffer.from(
      'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
      'base64',
    ),
  });
  t.ok((await hasher.verifyForeign(hash, 'user1password')).ok);
  t.notOk((await hasher.verifyForeign(hash, 'user2password')).ok);
});

test('a short password goes on working after it is hashed anew', async (t) => {
  const hasher = createPasswordHasher();
  const hash = await hasher.rehash('abc12');
  t.same(await hasher.verify(hash, 'abc12'), { ok: true, needsRehash: false });
  t.notOk((await hasher.verify(hash, 'abc13')).ok);
});

test('a lone surrogate is wrong, not an error', async (t) => {
  const hasher = createPasswordHasher();
  const hash = encodeForeignHash(parseForeignHash(await bcrypt.hash('\ufffd', 4)));
  t.notOk((await hasher.verifyForeign(hash, '\ud800')).ok);
});

const some = unpadded(Buffer.alloc(32, 7));
const REFUSED: Record<string, [hash: string, reason: RegExp]> = {
  'bcrypt of cost 14': [`$2b$14$${'a'.repeat(53)}`, /cost 4 to 13/],
  'bcrypt 2x': [`$2x$10$${'a'.repeat(53)}`, /unknown/],
  'a short bcrypt': [`$2b$10$${'a'.repeat(52)}`, /unknown/],
  argon2d: [`$argon2d$v=19$m=1024,t=1,p=1$${some}$${some}`, /unknown/],
  'argon2 of 256 MiB': [`$argon2id$v=19$m=262144,t=1,p=1$${some}$${some}`, /128 MiB/],
  'argon2 of 1,000 passes': [`$argon2id$v=19$m=65536,t=1000,p=1$${some}$${some}`, /1 GiB/],
  'scrypt of 256 MiB': [`$scrypt$ln=18,r=8,p=1$${some}$${some}`, /128 MiB/],
  'scrypt of 128 MiB eight times': [`$scrypt$ln=17,r=8,p=8$${some}$${some}`, /512 MiB/],
  'scrypt of long blocks': [`$scrypt$ln=1,r=1025,p=1$${some}$${some}`, /block size/],
  'PBKDF2 of many blocks': [
    `$pbkdf2-sha256$i=1000000$${some}$${unpadded(Buffer.alloc(96))}`,
    /2,000,000/,
  ],
  'scrypt of no power': [`scrypt:1000:8:1$salt$${'ab'.repeat(32)}`, /power of two/],
  'PBKDF2 of 2,000,001 rounds': [`$pbkdf2-sha256$i=2000001$${some}$${some}`, /2,000,000/],
  'PBKDF2 with MD5': [`$pbkdf2-md5$i=1000$${some}$${some}`, /unknown/],
  'a short digest': [`$pbkdf2-sha256$i=1000$${some}$YWJj`, /16 to 512/],
  'no base64': [`$pbkdf2-sha256$i=1000$${some}$!!!!`, /base64/],
  'a plain password': ['correct horse battery', /unknown/],
  MD5: ['5f4dcc3b5aa765d61d8327deb882cf99', /unknown/],
  'a name of our own key': [
    `$firebase-scrypt$ln=14,r=8,k=${'0'.repeat(32)}$${some}$${some}`,
    /unknown/,
  ],
};

for (const [name, [hash, reason]] of Object.entries(REFUSED))
  test(`a hash is refused with its reason: ${name}`, (t) => {
    t.throws(() => parseForeignHash(hash), ForeignHashFault);
    t.throws(() => parseForeignHash(hash), { message: reason });
    t.end();
  });
