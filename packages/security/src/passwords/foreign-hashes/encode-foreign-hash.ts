import { randomBytes } from 'node:crypto';
import type { ForeignHash } from './foreign-hash.ts';

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

const costOf = (hash: Exclude<ForeignHash, { algorithm: 'bcrypt' }>): string => {
  switch (hash.algorithm) {
    case 'argon2':
      return (
        `${hash.variant}$v=${hash.version}$` +
        `m=${hash.memoryKiB},t=${hash.passes},p=${hash.parallelism}`
      );
    case 'pbkdf2':
      return `pbkdf2-${hash.digestName}$i=${hash.iterations},l=${hash.digest.length}`;
    case 'scrypt':
      return `scrypt$ln=${hash.logCost},r=${hash.blockSize},p=${hash.parallelism}`;
    case 'firebase-scrypt':
      return `firebase-scrypt$ln=${hash.logCost},r=${hash.blockSize},k=${hash.keyId}`;
  }
};

/** The one text form in which a foreign hash is stored: a PHC string, or bcrypt's own. */
export const encodeForeignHash = (hash: ForeignHash): string =>
  hash.algorithm === 'bcrypt'
    ? hash.text
    : `$${costOf(hash)}$${base64(hash.salt)}$${base64(hash.digest)}`;

/** What decides how long a hash takes. */
export const costClassOf = (hash: ForeignHash): string =>
  hash.algorithm === 'bcrypt'
    ? `bcrypt$${hash.cost}`
    : `${costOf(hash)}$${hash.salt.length}$${hash.digest.length}`;

const BCRYPT_SALT = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A hash of no password that costs the same, by which the time is measured. */
export function decoyOf(hash: ForeignHash): ForeignHash {
  if (hash.algorithm === 'firebase-scrypt') {
    // Without the signer key, which may be gone before the decoy.
    const { logCost, blockSize } = hash;
    return decoyOf({ ...hash, algorithm: 'scrypt', logCost, blockSize, parallelism: 1 });
  }
  if (hash.algorithm !== 'bcrypt')
    return {
      ...hash,
      salt: randomBytes(hash.salt.length),
      digest: randomBytes(hash.digest.length),
    };
  const letters = Array.from(randomBytes(51), (byte) => BCRYPT_SALT[byte % 64]).join('');
  // The last letters of salt and digest have unused bits, which must be zero.
  return { ...hash, text: `${hash.text.slice(0, 7)}${letters.slice(0, 21)}.${letters.slice(21)}.` };
}
