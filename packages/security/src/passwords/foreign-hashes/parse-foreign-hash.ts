import {
  checkForeignHash,
  ForeignHashFault,
  PBKDF2_DIGESTS,
  type ForeignHash,
  type Pbkdf2Digest,
} from './foreign-hash.ts';

const MAX_LENGTH = 2_048;
const BASE64 = /^[A-Za-z0-9+/]+$/;
const DIGEST = '(sha1|sha256|sha512)';
const UNKNOWN =
  'The form of the hash is unknown. Use bcrypt, argon2i, argon2id, PBKDF2 or scrypt in a ' +
  'documented form.';

/** Base64 of both alphabets and of passlib's, with or without padding. @throws ForeignHashFault */
export function decodeBase64(text: string): Buffer {
  const plain = text
    .replace(/=+$/, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replaceAll('.', '+');
  if (!BASE64.test(plain) || plain.length % 4 === 1)
    throw new ForeignHashFault('The salt or the hash is not base64.');
  return Buffer.from(plain, 'base64');
}

const pbkdf2 = (digest: string, iterations: string, salt: Buffer, hash: Buffer): ForeignHash => ({
  algorithm: 'pbkdf2',
  digestName: readDigestName(digest),
  iterations: Number(iterations),
  salt,
  digest: hash,
});

function readDigestName(name: string): Pbkdf2Digest {
  const found = PBKDF2_DIGESTS.find((known) => known === name.toLowerCase().replace('-', ''));
  if (!found) throw new ForeignHashFault('PBKDF2 needs SHA-1, SHA-256 or SHA-512.');
  return found;
}

/** The binary logarithm of scrypt's N. @throws ForeignHashFault */
export function readLogCost(cost: number): number {
  const logCost = Math.log2(cost);
  if (!Number.isInteger(logCost)) throw new ForeignHashFault("scrypt's cost is no power of two.");
  return logCost;
}

type Form = readonly [pattern: RegExp, read: (...groups: string[]) => ForeignHash];

const text = (salt: string): Buffer => Buffer.from(salt, 'utf8');

/** Zero, which is refused, for a parameter that is missing. */
const readCost = (cost: string, name: 'm' | 't' | 'p'): number =>
  Number(new RegExp(`${name}=(\\d+)`).exec(cost)?.[1] ?? 0);

const FORMS: readonly Form[] = [
  [
    /^(\$2[aby]\$)(\d\d)(\$[./A-Za-z0-9]{53})$/,
    (_prefix = '', cost = '', rest = '') => ({
      algorithm: 'bcrypt',
      cost: Number(cost),
      // The three versions differ only by errors that their makers have mended.
      text: `$2b$${cost}${rest}`,
    }),
  ],
  [
    // Some write the parameters by the alphabet.
    /^\$(argon2id?)\$(?:v=(16|19)\$)?([mtp]=\d{1,9}(?:,[mtp]=\d{1,9}){2})\$([^$]+)\$([^$]+)$/,
    (variant, version = '16', cost = '', salt = '', digest = '') => ({
      algorithm: 'argon2',
      variant: variant === 'argon2id' ? 'argon2id' : 'argon2i',
      version: version === '19' ? 19 : 16,
      memoryKiB: readCost(cost, 'm'),
      passes: readCost(cost, 't'),
      parallelism: readCost(cost, 'p'),
      salt: decodeBase64(salt),
      digest: decodeBase64(digest),
    }),
  ],
  [
    // The PHC form, as Auth0 takes it, and passlib's with the bare number.
    new RegExp(`^\\$pbkdf2(?:-${DIGEST})?\\$(?:i=)?(\\d{1,9})(?:,l=\\d+)?\\$([^$]+)\\$([^$]+)$`),
    (digest = 'sha1', iterations = '', salt = '', hash = '') =>
      pbkdf2(digest, iterations, decodeBase64(salt), decodeBase64(hash)),
  ],
  [
    // Django.
    new RegExp(`^pbkdf2_${DIGEST}\\$(\\d{1,9})\\$([^$]+)\\$([^$]+)$`),
    (digest = '', iterations = '', salt = '', hash = '') =>
      pbkdf2(digest, iterations, text(salt), decodeBase64(hash)),
  ],
  [
    // Werkzeug.
    new RegExp(`^pbkdf2:${DIGEST}:(\\d{1,9})\\$([^$]+)\\$((?:[0-9a-f]{2})+)$`),
    (digest = '', iterations = '', salt = '', hash = '') =>
      pbkdf2(digest, iterations, text(salt), Buffer.from(hash, 'hex')),
  ],
  [
    /^scrypt:(\d{1,10}):(\d{1,4}):(\d{1,4})\$([^$]+)\$((?:[0-9a-f]{2})+)$/,
    (cost, block, lanes, salt = '', hash = '') => ({
      algorithm: 'scrypt',
      logCost: readLogCost(Number(cost)),
      blockSize: Number(block),
      parallelism: Number(lanes),
      salt: text(salt),
      digest: Buffer.from(hash, 'hex'),
    }),
  ],
  [
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([^$]+)\$([^$]+)$/,
    (logCost, block, lanes, salt = '', hash = '') => ({
      algorithm: 'scrypt',
      logCost: Number(logCost),
      blockSize: Number(block),
      parallelism: Number(lanes),
      salt: decodeBase64(salt),
      digest: decodeBase64(hash),
    }),
  ],
];

/** The form in which Firebase's hashes are stored. Nobody imports it: it names a key of ours. */
const FIREBASE: Form = [
  /^\$firebase-scrypt\$ln=(\d{1,2}),r=(\d{1,4}),k=([0-9a-f]{32})\$([^$]+)\$([^$]+)$/,
  (logCost, block, keyId = '', salt = '', hash = '') => ({
    algorithm: 'firebase-scrypt',
    logCost: Number(logCost),
    blockSize: Number(block),
    keyId,
    salt: decodeBase64(salt),
    digest: decodeBase64(hash),
  }),
];

function parse(hash: string, forms: readonly Form[]): ForeignHash {
  if (hash.length > MAX_LENGTH) throw new ForeignHashFault('The hash is too long.');
  for (const [pattern, read] of forms) {
    const match = pattern.exec(hash);
    if (match) return read(...match.slice(1));
  }
  throw new ForeignHashFault(UNKNOWN);
}

/**
 * Parses a hash that another system has exported.
 * @throws ForeignHashFault with the reason: an unknown form, or a cost above what a login may take
 */
export function parseForeignHash(hash: string): ForeignHash {
  const parsed = parse(hash, FORMS);
  checkForeignHash(parsed);
  return parsed;
}

/** Parses a hash that `encodeForeignHash` has made. */
export const parseStoredForeignHash = (hash: string): ForeignHash =>
  parse(hash, [...FORMS, FIREBASE]);
