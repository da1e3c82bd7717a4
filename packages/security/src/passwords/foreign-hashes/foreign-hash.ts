/** Digests of PBKDF2 that exports use. */
export const PBKDF2_DIGESTS = ['sha1', 'sha256', 'sha512'] as const;
export type Pbkdf2Digest = (typeof PBKDF2_DIGESTS)[number];

/** A password's hash as another system made it. */
export type ForeignHash =
  | { algorithm: 'bcrypt'; cost: number; text: string }
  | {
      algorithm: 'argon2';
      variant: 'argon2i' | 'argon2id';
      version: 16 | 19;
      memoryKiB: number;
      passes: number;
      parallelism: number;
      salt: Buffer;
      digest: Buffer;
    }
  | {
      algorithm: 'pbkdf2';
      digestName: Pbkdf2Digest;
      iterations: number;
      salt: Buffer;
      digest: Buffer;
    }
  | {
      algorithm: 'scrypt';
      /** The binary logarithm of N. */
      logCost: number;
      blockSize: number;
      parallelism: number;
      salt: Buffer;
      digest: Buffer;
    }
  | {
      algorithm: 'firebase-scrypt';
      logCost: number;
      blockSize: number;
      /** Names the signer key, which lies elsewhere, wrapped. */
      keyId: string;
      /** With the salt separator behind it. */
      salt: Buffer;
      digest: Buffer;
    };

/** Why a hash is refused. The message never holds the hash. */
export class ForeignHashFault extends Error {
  override readonly name = 'ForeignHashFault';
}

const MAX_BCRYPT_COST = 13;
const MIN_BCRYPT_COST = 4;
const MAX_SCRYPT_BYTES = 128 * 1024 * 1024;
/** Memory × parallelism: the lanes run one after another. */
const MAX_SCRYPT_WORK_BYTES = 512 * 1024 * 1024;
const MAX_SCRYPT_PARALLELISM = 16;
const MAX_SCRYPT_BLOCK_SIZE = 1_024;
const MAX_PBKDF2_ITERATIONS = 2_000_000;
/** PBKDF2 runs all its rounds for each block of so many bytes (RFC 8018 §5.2). */
const PBKDF2_BLOCK_BYTES: Readonly<Record<Pbkdf2Digest, number>> = {
  sha1: 20,
  sha256: 32,
  sha512: 64,
};
const MAX_ARGON2_KIB = 128 * 1024;
/** Memory × passes; 1 GiB takes 430 ms where our own hash takes 16. */
const MAX_ARGON2_WORK_KIB = 1024 * 1024;
const MAX_ARGON2_PARALLELISM = 16;
const MIN_DIGEST_BYTES = 16;
const MAX_DIGEST_BYTES = 512;
const MAX_SALT_BYTES = 256;

function require(condition: boolean, message: string): void {
  if (!condition) throw new ForeignHashFault(message);
}

function checkScrypt(logCost: number, blockSize: number, parallelism: number): void {
  const isWhole = [logCost, blockSize, parallelism].every(Number.isInteger);
  require(isWhole &&
    logCost >= 1 &&
    blockSize >= 1 &&
    parallelism >= 1, 'scrypt needs a cost above zero.');
  require(blockSize <= MAX_SCRYPT_BLOCK_SIZE, 'scrypt may have a block size of 1,024 at most.');
  const bytes = 128 * blockSize * 2 ** logCost;
  require(bytes <= MAX_SCRYPT_BYTES, 'scrypt may take 128 MiB at most.');
  require(parallelism <= MAX_SCRYPT_PARALLELISM, 'scrypt may have a parallelism of 16 at most.');
  require(bytes * parallelism <= MAX_SCRYPT_WORK_BYTES, 'scrypt may fill 512 MiB at most.');
}

function checkPbkdf2({ digestName, iterations, digest }: ForeignHash & { algorithm: 'pbkdf2' }) {
  require(iterations >= 1, 'PBKDF2 needs a round at least.');
  const blocks = Math.ceil(digest.length / PBKDF2_BLOCK_BYTES[digestName]);
  require(iterations * blocks <=
    MAX_PBKDF2_ITERATIONS, 'PBKDF2 may have 2,000,000 rounds, over all blocks of the hash.');
}

function checkArgon2(hash: ForeignHash & { algorithm: 'argon2' }): void {
  const { memoryKiB, passes, parallelism } = hash;
  require(passes >= 1 && parallelism >= 1, 'argon2 needs a cost above zero.');
  require(memoryKiB >= 8 * parallelism, 'argon2 needs 8 KiB for each lane.');
  require(memoryKiB <= MAX_ARGON2_KIB, 'argon2 may take 128 MiB at most.');
  require(memoryKiB * passes <= MAX_ARGON2_WORK_KIB, 'argon2 may fill 1 GiB at most.');
  require(parallelism <= MAX_ARGON2_PARALLELISM, 'argon2 may have a parallelism of 16 at most.');
  require(hash.salt.length >= 8, 'argon2 needs a salt of 8 bytes at least.');
}

/**
 * Checks that a hash costs no more than a login may.
 * @throws ForeignHashFault with the reason
 */
export function checkForeignHash(hash: ForeignHash): void {
  if (hash.algorithm === 'bcrypt') {
    const { cost } = hash;
    require(cost >= MIN_BCRYPT_COST && cost <= MAX_BCRYPT_COST, 'bcrypt may cost 4 to 13.');
    return;
  }
  if (hash.algorithm === 'argon2') checkArgon2(hash);
  else if (hash.algorithm === 'pbkdf2') checkPbkdf2(hash);
  else checkScrypt(hash.logCost, hash.blockSize, 'parallelism' in hash ? hash.parallelism : 1);
  const { length } = hash.digest;
  require(length >= MIN_DIGEST_BYTES &&
    length <= MAX_DIGEST_BYTES, 'The hash must have 16 to 512 bytes.');
  require(hash.salt.length >= 1, 'The salt is missing.');
  require(hash.salt.length <= MAX_SALT_BYTES, 'The salt may have 256 bytes at most.');
}
