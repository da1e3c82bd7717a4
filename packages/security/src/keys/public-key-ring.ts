import { createPublicKey } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import { DependencyUnavailable } from '../errors.ts';
import type { Revocations } from '../sessions/revocations.ts';

/**
 * A public key as it is stored, shared and shown in the JWKS (RFC 8037). A type: node:crypto wants
 * an index signature.
 */
export type PublicJwk = {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
};

/** A row of the view `shared.public_keys`. */
export type PublicKeyRow = {
  kid: string;
  algorithm: string;
  public_jwk: PublicJwk;
  /** `next`: will sign once the active one is retired. */
  status: 'active' | 'next' | 'retired' | 'compromised';
};

/**
 * A key that verifies; the same object as long as the ring holds the key, so identity tells whether
 * it still does.
 */
export type VerificationKey = {
  readonly kid: string;
  readonly pem: string;
  readonly jwk: PublicJwk;
};

export type PublicKeyRingOptions = {
  load: () => Promise<readonly PublicKeyRow[]>;
  /**
   * How often the keys are read again, to know the new ones; of a compromised key the ring is told
   * by `revoke`.
   */
  refreshMs?: number;
  /** An unknown kid makes the ring look again, but never more often than this, whatever arrives. */
  unknownKidIntervalMs?: number;
  /**
   * Recognises an outage among what `load` rejects with. Anything else is a fault of ours and
   * passes as it is: to be logged, not retried.
   */
  isUnavailable?: (error: unknown) => boolean;
  /** A background refresh failed; the keys known until then go on counting. */
  onError?: (error: unknown) => void;
};

export type PublicKeyRing = ReturnType<typeof createPublicKeyRing>;

/** Reads `shared.public_keys`, for a ring's `load`. */
export const loadPublicKeys = async (db: QueryExecutorProvider): Promise<readonly PublicKeyRow[]> =>
  (
    await sql<PublicKeyRow>`select kid, algorithm, public_jwk, status from shared.public_keys`.execute(
      db,
    )
  ).rows;

const CONFIRMED_MS = 500;
const CONFIRMING_TRIES = 3;

/**
 * The public keys by kid. A kid is chosen by whoever sends a token, so unknown ones are not
 * remembered (memory) and share
 * one rate limit (load on the database): a flood of forged tokens costs one read a second.
 */
export const createPublicKeyRing = (options: PublicKeyRingOptions) => {
  const {
    load,
    refreshMs = 30_000,
    unknownKidIntervalMs = 1_000,
    isUnavailable = () => false,
    onError,
  } = options;
  let keys = new Map<string, VerificationKey>();
  let active = new Set<string>();
  /**
   * A read that was sent before the key was marked may answer after. A kid is the key's own
   * thumbprint: it never comes to mean another.
   */
  const revoked = new Set<string>();
  let readAt = -Infinity;
  const readListeners: (() => void)[] = [];
  let loading: Promise<void> | undefined;
  let failure: unknown;
  let nextLookAgain = 0;

  const read = async (): Promise<void> => {
    const sentAt = performance.now();
    try {
      const next = new Map<string, VerificationKey>();
      const nextActive = new Set<string>();
      for (const { kid, algorithm, public_jwk: jwk, status } of await load()) {
        if (algorithm !== 'EdDSA' || status === 'compromised' || revoked.has(kid)) continue;
        const known = keys.get(kid);
        const pem = createPublicKey({ key: jwk, format: 'jwk' })
          .export({ type: 'spki', format: 'pem' })
          .toString();
        next.set(kid, known?.pem === pem ? known : { kid, pem, jwk });
        if (status === 'active') nextActive.add(kid);
      }
      keys = next;
      active = nextActive;
      readAt = sentAt;
      failure = undefined;
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  /** One read at a time; who comes while one runs gets its outcome. */
  const refresh = (): Promise<void> =>
    (loading ??= read()
      .finally(() => (loading = undefined))
      .then(() => readListeners.forEach((listener) => listener())));

  const outage = (error: unknown): unknown =>
    isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;

  const timer = setInterval(
    () => void refresh().catch((error: unknown) => onError?.(error)),
    refreshMs,
  ).unref();

  return {
    /**
     * The key, or undefined if there is none of that kid. Rejects with `dependency_unavailable`
     * when the kid is unknown
     * because the keys could not be read: a valid token must not get 401 only because the database
     * is down. Rejects with the
     * error of `load` when that is no outage.
     */
    async get(kid: string): Promise<VerificationKey | undefined> {
      const known = keys.get(kid);
      if (known) return known;
      const now = performance.now();
      if (now >= nextLookAgain) {
        nextLookAgain = now + unknownKidIntervalMs;
        await refresh().catch(() => undefined);
      } else if (loading) {
        await loading.catch(() => undefined);
      }
      if (failure !== undefined) throw outage(failure);
      return keys.get(kid);
    },

    /** Calls `listener` after each read that succeeded. */
    onRead: (listener: () => void): void => void readListeners.push(listener),

    /** Without looking again; for what was verified before. */
    has: (key: VerificationKey): boolean => keys.get(key.kid) === key,

    /** Lets go of a compromised key at once, and of all it has signed. */
    revoke(kid: string): void {
      revoked.add(kid);
      keys.delete(kid);
      active.delete(kid);
      void refresh().catch((error: unknown) => onError?.(error));
    },

    /**
     * Whether a key counts by a read that is at most a second old: where nothing else tells of a
     * compromised one. Reads at most twice a second,
     * whoever asks. Rejects as `get` does.
     */
    async revalidate(kid: string): Promise<boolean> {
      for (
        let attempt = 0;
        attempt < CONFIRMING_TRIES && performance.now() - readAt > CONFIRMED_MS;
        attempt++
      ) {
        await refresh().catch((error: unknown) => {
          throw outage(error);
        });
      }
      if (performance.now() - readAt > 2 * CONFIRMED_MS)
        throw new DependencyUnavailable({ cause: new Error('the keys are read too slowly') });
      return keys.has(kid);
    },

    /**
     * Whether that key may still sign, as of the last read. One that is retired verifies and signs
     * no more.
     */
    maySign: (kid: string): boolean => active.has(kid),

    /** The JWK Set (RFC 7517) of all keys that verify. */
    jwks: (): { keys: PublicJwk[] } => ({ keys: [...keys.values()].map((key) => key.jwk) }),

    /** Reads the keys now; rejects when they cannot be read. */
    refresh,

    close(): void {
      clearInterval(timer);
    },
  };
};

/**
 * Whether what a key has signed counts at this moment. The ring hears of a compromised key by the
 * same feed as the set; while that is stale it has to read.
 */
export const isKeyValid = async (
  {
    revocations,
    keys,
  }: {
    revocations: Pick<Revocations, 'isFresh' | 'isKeyRevoked'>;
    keys: Pick<PublicKeyRing, 'revalidate'>;
  },
  kid: string,
): Promise<boolean> =>
  !revocations.isKeyRevoked(kid) && (revocations.isFresh() || (await keys.revalidate(kid)));
