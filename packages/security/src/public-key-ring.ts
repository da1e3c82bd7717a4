import { createPublicKey } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import { dependencyUnavailable } from './errors.ts';
import type { PublicJwk } from './signing-keys.ts';

/** A row of the view `shared.public_keys`. */
export type PublicKeyRow = {
  kid: string;
  algorithm: string;
  public_jwk: PublicJwk;
  /** `next`: will sign once the active one is retired. */
  status: 'active' | 'next' | 'retired' | 'compromised';
};

/** A key that verifies; the same object as long as the ring holds the key, so identity tells whether it still does. */
export type VerificationKey = { readonly kid: string; readonly pem: string; readonly jwk: PublicJwk };

export type PublicKeyRingOptions = {
  load: () => Promise<readonly PublicKeyRow[]>;
  /** How often the keys are read again: how long a key marked compromised may still count. */
  refreshMs?: number;
  /** An unknown kid makes the ring look again, but never more often than this, whatever arrives. */
  unknownKidIntervalMs?: number;
  /** Recognises an outage among what `load` rejects with. Anything else is a fault of ours and passes as it is: to be logged, not retried. */
  isUnavailable?: (error: unknown) => boolean;
  /** Called after each read that succeeded. */
  onRead?: () => void;
  /** A background refresh failed; the keys known until then go on counting. */
  onError?: (error: unknown) => void;
};

export type PublicKeyRing = ReturnType<typeof createPublicKeyRing>;

/** Reads `shared.public_keys`, for a ring's `load`. */
export const loadPublicKeys = async (db: QueryExecutorProvider): Promise<readonly PublicKeyRow[]> =>
  (await sql<PublicKeyRow>`select kid, algorithm, public_jwk, status from shared.public_keys`.execute(db)).rows;

/**
 * The public keys by kid. A kid is chosen by whoever sends a token, so unknown ones are not remembered (memory) and share
 * one rate limit (load on the database): a flood of forged tokens costs one read a second.
 */
export const createPublicKeyRing = (options: PublicKeyRingOptions) => {
  const { load, refreshMs = 30_000, unknownKidIntervalMs = 1_000, isUnavailable = () => false, onRead, onError } = options;
  let keys = new Map<string, VerificationKey>();
  let active = new Set<string>();
  let loading: Promise<void> | undefined;
  let failure: unknown;
  let nextLookAgain = 0;

  const read = async (): Promise<void> => {
    try {
      const next = new Map<string, VerificationKey>();
      const nextActive = new Set<string>();
      for (const { kid, algorithm, public_jwk: jwk, status } of await load()) {
        if (algorithm !== 'EdDSA' || status === 'compromised') continue;
        const known = keys.get(kid);
        const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
        next.set(kid, known?.pem === pem ? known : { kid, pem, jwk });
        if (status === 'active') nextActive.add(kid);
      }
      keys = next;
      active = nextActive;
      failure = undefined;
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  /** One read at a time; who comes while one runs gets its outcome. */
  const refresh = (): Promise<void> => (loading ??= read().finally(() => (loading = undefined)).then(onRead));

  const timer = setInterval(() => void refresh().catch((error: unknown) => onError?.(error)), refreshMs).unref();

  return {
    /**
     * The key, or undefined if there is none of that kid. Rejects with `dependency_unavailable` when the kid is unknown
     * because the keys could not be read: a valid token must not get 401 only because the database is down. Rejects with the
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
      if (failure !== undefined) throw isUnavailable(failure) ? dependencyUnavailable({ cause: failure }) : failure;
      return keys.get(kid);
    },

    /** Without looking again; for what was verified before. */
    holds: (key: VerificationKey): boolean => keys.get(key.kid) === key,

    /** Whether that key may still sign, as of the last read. One that is retired verifies and signs no more. */
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
