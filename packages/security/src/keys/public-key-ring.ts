import { createPublicKey } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import { DependencyUnavailable } from '../errors.ts';
import type { Revocations } from '../sessions/revocations.ts';

/**
 * A public key as stored, shared and shown in the JWKS (RFC 8037). A type: node:crypto wants an
 * index signature.
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
  /** `next` signs once the active key retires. */
  status: 'active' | 'next' | 'retired' | 'compromised';
};

/**
 * A key that verifies. The ring holds one object a key, so identity tells whether it is still
 * valid.
 */
export type VerificationKey = {
  readonly kid: string;
  readonly pem: string;
  readonly jwk: PublicJwk;
};

export type PublicKeyRingOptions = {
  load: () => Promise<readonly PublicKeyRow[]>;
  /** How often new keys are read; `revoke` reports compromised ones. */
  refreshMs?: number;
  /** Unknown kids cause at most one read in this time. */
  unknownKidIntervalMs?: number;
  /**
   * Recognises an outage. Any other error is a bug: it passes as it is, to be logged and not
   * retried.
   */
  isUnavailable?: (error: unknown) => boolean;
  /** A background refresh failed; the known keys stay valid. */
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

const FRESH_MS = 500;
const MAX_ATTEMPTS = 3;

/**
 * Creates the ring of public keys by kid. The sender of a token chooses its kid, so unknown ones
 * are not cached
 * and share one rate limit: a flood of forged tokens costs one read a second.
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
   * A read sent before a revocation may answer after it. A kid is a thumbprint: it never names
   * another key.
   */
  const revoked = new Set<string>();
  let readAt = -Infinity;
  const readListeners: (() => void)[] = [];
  let loading: Promise<void> | undefined;
  let failure: unknown;
  let nextUnknownReadAt = 0;

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
  /** Reads the keys, one read at a time; concurrent callers share its outcome. */
  const refresh = (): Promise<void> =>
    (loading ??= read()
      .finally(() => (loading = undefined))
      .then(() => readListeners.forEach((listener) => listener())));

  const translate = (error: unknown): unknown =>
    isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;

  const timer = setInterval(
    () => void refresh().catch((error: unknown) => onError?.(error)),
    refreshMs,
  ).unref();

  return {
    /**
     * The key of a kid, or undefined.
     * @throws DependencyUnavailable when the keys cannot be read: an outage must not turn a valid
     * token into a 401
     */
    async get(kid: string): Promise<VerificationKey | undefined> {
      const known = keys.get(kid);
      if (known) return known;
      const now = performance.now();
      if (now >= nextUnknownReadAt) {
        nextUnknownReadAt = now + unknownKidIntervalMs;
        await refresh().catch(() => undefined);
      } else if (loading) {
        await loading.catch(() => undefined);
      }
      if (failure !== undefined) throw translate(failure);
      return keys.get(kid);
    },

    /** Calls `listener` after each read that succeeded. */
    onRead: (listener: () => void): void => void readListeners.push(listener),

    /** Whether the key is still valid, by the last read. */
    has: (key: VerificationKey): boolean => keys.get(key.kid) === key,

    /** Removes a compromised key, which invalidates all tokens that it signed. */
    revoke(kid: string): void {
      revoked.add(kid);
      keys.delete(kid);
      active.delete(kid);
      void refresh().catch((error: unknown) => onError?.(error));
    },

    /**
     * Whether a key is valid by a read at most a second old, where nothing reports compromised
     * keys.
     * Reads at most twice a second. Throws as `get` does.
     */
    async revalidate(kid: string): Promise<boolean> {
      for (
        let attempt = 0;
        attempt < MAX_ATTEMPTS && performance.now() - readAt > FRESH_MS;
        attempt++
      ) {
        await refresh().catch((error: unknown) => {
          throw translate(error);
        });
      }
      if (performance.now() - readAt > 2 * FRESH_MS)
        throw new DependencyUnavailable({ cause: new Error('The keys are read too slowly.') });
      return keys.has(kid);
    },

    /** Whether the key may sign, by the last read. Retired keys only verify. */
    maySign: (kid: string): boolean => active.has(kid),

    /** The JWK Set (RFC 7517) of all keys that verify. */
    jwks: (): { keys: PublicJwk[] } => ({ keys: [...keys.values()].map((key) => key.jwk) }),

    /** Rejects when the keys cannot be read. */
    refresh,

    close(): void {
      clearInterval(timer);
    },
  };
};

/**
 * Whether the signatures of a key are valid now. With stale revocations the ring reads the keys.
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
