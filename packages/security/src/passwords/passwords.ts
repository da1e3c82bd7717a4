import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import * as argon2 from 'argon2';
import { createPasswordRules, normalizePassword, type PasswordOwner } from './password-rules.ts';
import { createConcurrencyLimit } from '../concurrency/concurrency-limit.ts';

/** Of a password for nobody, what is hashed of it at most. */
const dummyLength = 128;
/** OWASP's first choice for argon2id; a deployment may raise it, never go below. */
const floor = { memoryKiB: 19_456, passes: 2, parallelism: 1 };

export type PasswordHasherOptions = {
  memoryKiB?: number;
  passes?: number;
  parallelism?: number;
  /** Hashes computed at once. */
  concurrency?: number;
  /** Hashes that may wait beyond that. */
  queueLimit?: number;
  /** Names of the product as users know them: no new password may be one of them. */
  names?: readonly string[];
};

export type PasswordHasher = ReturnType<typeof createPasswordHasher>;

/**
 * libuv's pool (4 threads unless UV_THREADPOOL_SIZE says otherwise) also does DNS and files: one thread stays free for them.
 * More hashes at once than cores gain nothing. 2 cores, 19 MiB, t = 2, p = 1: 63/s one at a time, 115/s two, 105/s with 4,
 * 16 or a larger pool; 15.6 ms CPU a hash. The prebuilt `argon2` is compiled for SSE2; the same sources built with -mavx2
 * take 7.1 ms (240/s), with -march=native on AVX-512 5.6 ms (290/s), and Node's own crypto.argon2 15.9 ms.
 */
const defaultConcurrency = (): number => {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4;
  return Math.max(1, Math.min(availableParallelism(), threads - 1));
};

/**
 * argon2id (RFC 9106) behind a gate. Every method that hashes rejects with `overloaded` (503, Retry-After) once
 * `queueLimit` others wait: without a bound a burst of logins would hold every other request behind it.
 */
export const createPasswordHasher = (options: PasswordHasherOptions = {}) => {
  const {
    memoryKiB = floor.memoryKiB,
    passes = floor.passes,
    parallelism = floor.parallelism,
  } = options;
  if (memoryKiB < floor.memoryKiB || passes < floor.passes || parallelism < floor.parallelism) {
    throw new RangeError('argon2id needs at least 19456 KiB, 2 passes and parallelism 1');
  }
  const gate = createConcurrencyLimit({
    concurrency: options.concurrency ?? defaultConcurrency(),
    queueLimit: options.queueLimit ?? 64,
  });
  const cost = {
    type: argon2.argon2id,
    memoryCost: memoryKiB,
    timeCost: passes,
    parallelism,
  } as const;
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const rules = createPasswordRules(options.names);
  /** In the order m, t, p that other implementations insist on; npm argon2 0.45 writes m, p, t but reads any order. */
  const encode = (salt: Buffer, hash: Buffer) =>
    `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
  /** A well-formed hash that nothing hashes to: checking against it costs what checking a real one costs. */
  const nobody = encode(randomBytes(16), randomBytes(32));

  const costOf = (hash: string): { m: number; t: number; p: number } => {
    const [, m, t, p] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(hash) ?? [];
    return { m: Number(m), t: Number(t), p: Number(p) };
  };

  /** Rehash when the configured cost has risen; a lowered setting must not weaken what is stored. */
  const needsRehash = (hash: string): boolean => {
    const { m, t, p } = costOf(hash);
    return !(m >= memoryKiB && t >= passes && p >= parallelism);
  };

  /** Passes over the configured memory that a hash made before the cost rose is cheaper by. Its time is that of memory × passes. */
  const missingPasses = (hash: string): number => {
    const { m, t } = costOf(hash);
    return Math.round((memoryKiB * passes - m * t) / memoryKiB);
  };

  const verifyDummy = async (password: string): Promise<false> => {
    await gate.run(() => argon2.verify(nobody, password.slice(0, dummyLength)));
    return false;
  };

  const hashNormalized = async (normalized: string): Promise<string> => {
    const salt = randomBytes(16);
    return encode(
      salt,
      await gate.run(() => argon2.hash(normalized, { ...cost, salt, raw: true })),
    );
  };

  return {
    /**
     * PHC string of a new password, once the rules let it pass: whatever sets a password goes through here. Rejects with `password_length`,
     * `password_malformed`, `password_common`, `overloaded`.
     */
    hash: async (password: string, owner: PasswordOwner): Promise<string> =>
      hashNormalized(rules(password, owner)),

    /** PHC string of a password that has just been verified: it was set under the rules of its day and stays good. Rejects with `overloaded`. */
    rehash: async (password: string): Promise<string> =>
      hashNormalized(normalizePassword(password)),

    /**
     * `needsRehash` is only ever true beside `ok`. A password that could not have been set is simply wrong, at the same
     * cost, so that a login form's answer and time stay one for all failures.
     */
    async verify(hash: string, password: string): Promise<{ ok: boolean; needsRehash: boolean }> {
      let normalized: string;
      try {
        normalized = normalizePassword(password);
      } catch {
        return { ok: await verifyDummy(password), needsRehash: false };
      }
      const ok = await gate.run(async () => {
        const right = await argon2.verify(hash, normalized);
        // Else a wrong password would fail sooner for an account that has not signed in since the cost rose than for none.
        const missing = right ? 0 : missingPasses(hash);
        if (missing > 0)
          await argon2.hash(normalized, {
            ...cost,
            timeCost: missing,
            salt: randomBytes(16),
            raw: true,
          });
        return right;
      });
      return { ok, needsRehash: ok && needsRehash(hash) };
    },

    /** The work of `verify` for an account that does not exist; always false. */
    verifyDummy,

    /** Hashes that run and that wait, for metrics. */
    load: () => gate.load(),
    close: () => gate.close(),
  };
};
