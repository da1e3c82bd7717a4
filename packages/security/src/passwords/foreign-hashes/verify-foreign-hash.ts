import { createCipheriv, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import * as argon2 from 'argon2';
import bcrypt from 'bcrypt';
import { encodeForeignHash } from './encode-foreign-hash.ts';
import type { ForeignHash } from './foreign-hash.ts';

const computePbkdf2 = promisify(pbkdf2);
const FIREBASE_KEY_BYTES = 32;
const NO_NONCE = Buffer.alloc(16);

/** Finds a signer key of Firebase by its id. */
export type LoadSignerKey = (keyId: string) => Promise<Buffer>;

interface ScryptCost {
  logCost: number;
  blockSize: number;
  parallelism: number;
  bytes: number;
}

const computeScrypt = (
  password: string,
  salt: Buffer,
  { logCost, blockSize, parallelism, bytes }: ScryptCost,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const N = 2 ** logCost;
    // OpenSSL counts some blocks more than 128 × N × r.
    const maxmem = 128 * blockSize * (N + parallelism + 2) + 1024 * 1024;
    const cost = { N, r: blockSize, p: parallelism, maxmem };
    scrypt(password, salt, bytes, cost, (error, key) => (error ? reject(error) : resolve(key)));
  });

/** Firebase encrypts its signer key by what scrypt makes of the password. */
async function computeFirebase(
  hash: ForeignHash & { algorithm: 'firebase-scrypt' },
  password: string,
  loadSignerKey: LoadSignerKey,
): Promise<Buffer> {
  const signerKey = await loadSignerKey(hash.keyId);
  const bytes = FIREBASE_KEY_BYTES;
  const key = await computeScrypt(password, hash.salt, { ...hash, parallelism: 1, bytes });
  const cipher = createCipheriv('aes-256-ctr', key, NO_NONCE);
  return Buffer.concat([cipher.update(signerKey), cipher.final()]);
}

const equals = (one: Buffer, other: Buffer): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

/**
 * Whether a password, exactly as typed, has this hash. All algorithms run in libuv's pool, off the
 * main thread.
 */
export async function verifyForeignHash(
  hash: ForeignHash,
  password: string,
  loadSignerKey: LoadSignerKey,
): Promise<boolean> {
  switch (hash.algorithm) {
    case 'bcrypt':
      return bcrypt.compare(password, hash.text);
    case 'argon2':
      return argon2.verify(encodeForeignHash(hash), password);
    case 'pbkdf2': {
      const { salt, digest, iterations, digestName } = hash;
      return equals(
        await computePbkdf2(password, salt, iterations, digest.length, digestName),
        digest,
      );
    }
    case 'scrypt': {
      const { salt, digest } = hash;
      return equals(await computeScrypt(password, salt, { ...hash, bytes: digest.length }), digest);
    }
    case 'firebase-scrypt':
      return equals(await computeFirebase(hash, password, loadSignerKey), hash.digest);
  }
}
