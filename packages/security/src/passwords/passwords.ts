import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import * as argon2 from 'argon2';
import { createConcurrencyLimit } from '../concurrency/concurrency-limit.ts';
import { type Argon2Cost, encodeHash, missingPasses, needsRehash } from './argon2-hash.ts';
import { parseStoredForeignHash } from './foreign-hashes/parse-foreign-hash.ts';
import { verifyForeignHash, type LoadSignerKey } from './foreign-hashes/verify-foreign-hash.ts';
import { createPasswordRules, normalizePassword, type PasswordOwner } from './password-rules.ts';

/** How much of a password is hashed when there is no account. */
const DUMMY_LENGTH = 128;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const QUEUE_LIMIT = 64;
/** OWASP's first choice for argon2id; a deployment may only raise it. */
const MIN_COST: Argon2Cost = { memoryKiB: 19_456, passes: 2, parallelism: 1 };

export interface PasswordHasherOptions extends Partial<Argon2Cost> {
  /** Hashes computed at once, one less than libuv's threads at most; absent: one for each core. */
  concurrency?: number;
  /** Hashes that may wait beyond that. */
  queueLimit?: number;
  /** Names of the product as users know them, forbidden as passwords. */
  names?: readonly string[];
  /** Finds the signer keys of imported Firebase hashes; absent: there are none. */
  loadSignerKey?: LoadSignerKey;
}

interface Verified {
  ok: boolean;
  needsRehash: boolean;
}

export type PasswordHasher = ReturnType<typeof createPasswordHasher>;

/**
 * One thread of libuv's pool stays free for DNS and files. 2 cores make 115 hashes a second two at
 * a time, 63 one at a time, 105 with 4 or 16.
 * A hash takes 15.6 ms CPU with the prebuilt `argon2` (SSE2), 7.1 ms with -mavx2 (240/s). AVX-512
 * takes 5.6 ms (290/s), Node's crypto.argon2 15.9 ms.
 */
function boundConcurrency(wanted = availableParallelism()): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4;
  return Math.max(1, Math.min(wanted, threads - 1));
}

function readCost(options: PasswordHasherOptions): Argon2Cost {
  const {
    memoryKiB = MIN_COST.memoryKiB,
    passes = MIN_COST.passes,
    parallelism = MIN_COST.parallelism,
  } = options;
  if (
    memoryKiB < MIN_COST.memoryKiB ||
    passes < MIN_COST.passes ||
    parallelism < MIN_COST.parallelism
  )
    throw new RangeError('argon2id needs at least 19456 KiB, 2 passes and parallelism 1.');
  return { memoryKiB, passes, parallelism };
}

/** Computes a raw argon2id hash (RFC 9106) with a random salt. */
async function computeHash(
  password: string,
  { memoryKiB, passes, parallelism }: Argon2Cost,
): Promise<{ salt: Buffer; hash: Buffer }> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await argon2.hash(password, {
    type: argon2.argon2id,
    memoryCost: memoryKiB,
    timeCost: passes,
    parallelism,
    salt,
    raw: true,
  });
  return { salt, hash };
}

/** Verifies a password at the configured cost, however cheap the stored hash. */
async function verifyAtCost(hash: string, password: string, cost: Argon2Cost): Promise<boolean> {
  const isRight = await argon2.verify(hash, password);
  // A wrong password for an old, cheap hash must not fail sooner than for no account.
  const passes = isRight ? 0 : missingPasses(hash, cost);
  if (passes > 0) await computeHash(password, { ...cost, passes });
  return isRight;
}

/**
 * The form of a password that is checked, not chosen. An imported one may break the rules of length
 * and stays as typed; none of ours has that form. Undefined for what no hash may stand for.
 */
function normalizeVerified(password: string): string | undefined {
  if (!password.isWellFormed()) return undefined;
  try {
    return normalizePassword(password);
  } catch {
    return password;
  }
}

const findNoSignerKey = (): Promise<never> => Promise.reject(new Error('There is no signer key.'));

/** Creates the password hasher. Its methods throw Overloaded when too many hashes wait. */
export function createPasswordHasher(options: PasswordHasherOptions = {}) {
  const cost = readCost(options);
  const limit = createConcurrencyLimit({
    concurrency: boundConcurrency(options.concurrency),
    queueLimit: options.queueLimit ?? QUEUE_LIMIT,
  });
  const checkRules = createPasswordRules(options.names);
  const { loadSignerKey = findNoSignerKey } = options;
  /** A hash of no password, as costly to check as a real one. */
  const dummyHash = encodeHash(cost, randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));

  /** The work of `verify` for an account that does not exist. */
  async function verifyDummy(password: string): Promise<false> {
    await limit.run(() => argon2.verify(dummyHash, password.slice(0, DUMMY_LENGTH)));
    return false;
  }

  async function hashNormalized(normalized: string): Promise<string> {
    const { salt, hash } = await limit.run(() => computeHash(normalized, cost));
    return encodeHash(cost, salt, hash);
  }

  return {
    /**
     * The PHC string of a new password.
     * @throws PasswordLength, AdminPasswordLength, PasswordMalformed, PasswordCommon, Overloaded
     */
    hash: async (password: string, owner: PasswordOwner): Promise<string> =>
      hashNormalized(checkRules(password, owner)),

    /** The hash of a verified password, which the rules need not allow. @throws Overloaded */
    rehash: async (password: string): Promise<string> =>
      hashNormalized(normalizeVerified(password) ?? password),

    /**
     * `needsRehash` is true only beside `ok`. A forbidden password costs as much as a wrong one.
     */
    async verify(hash: string, password: string): Promise<Verified> {
      const normalized = normalizeVerified(password);
      if (normalized === undefined) return { ok: await verifyDummy(password), needsRehash: false };
      const ok = await limit.run(() => verifyAtCost(hash, normalized, cost));
      return { ok, needsRehash: ok && needsRehash(hash, cost) };
    },

    /** Checks a hash of another system: exactly as typed, without NFKC or a rule of ours. */
    async verifyForeign(hash: string, password: string): Promise<Verified> {
      if (!password.isWellFormed()) return { ok: await verifyDummy(password), needsRehash: false };
      const foreign = parseStoredForeignHash(hash);
      const ok = await limit.run(() => verifyForeignHash(foreign, password, loadSignerKey));
      return { ok, needsRehash: ok };
    },

    verifyDummy,

    /** Hashes that run and that wait, for metrics. */
    load: () => limit.load(),
    close: () => limit.close(),
  };
}
