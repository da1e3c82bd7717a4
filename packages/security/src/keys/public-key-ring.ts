import { DependencyUnavailable } from '../errors.ts';
import type { Revocations } from '../sessions/revocations.ts';
import {
  createKeyReader,
  type KeyReader,
  type PublicJwk,
  type PublicKeyRow,
  type VerificationKey,
} from './read-keys.ts';

export interface PublicKeyRingOptions {
  load: () => Promise<readonly PublicKeyRow[]>;
  /** How often new keys are read; `revoke` reports compromised ones. */
  refreshMs?: number;
  /** Unknown kids cause at most one read in this time. */
  unknownKidIntervalMs?: number;
  /** Recognises an outage. Any other error is a bug and passes unchanged. */
  isUnavailable?: (error: unknown) => boolean;
  /** A background refresh failed; the known keys stay valid. */
  onError?: (error: unknown) => void;
}

export type PublicKeyRing = ReturnType<typeof createPublicKeyRing>;

const FRESH_MS = 500;
const MAX_ATTEMPTS = 3;

/** Creates the ring of public keys by kid, which reads new keys in the background. */
export function createPublicKeyRing(options: PublicKeyRingOptions) {
  const { load, refreshMs = 30_000, isUnavailable = () => false, onError } = options;
  const reader = createKeyReader(load);
  const { state } = reader;
  const translate = (error: unknown): unknown =>
    isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;
  const refreshInBackground = (): void =>
    void reader.refresh().catch((error: unknown) => onError?.(error));
  const readUnknown = createUnknownKidRead(reader, options.unknownKidIntervalMs);
  const timer = setInterval(refreshInBackground, refreshMs).unref();

  return {
    /**
     * The key of a kid, or undefined.
     * @throws DependencyUnavailable in an outage, which must not turn a valid token into a 401
     */
    async get(kid: string): Promise<VerificationKey | undefined> {
      const known = state.keys.get(kid);
      if (known) return known;
      await readUnknown();
      if (state.failure !== undefined) throw translate(state.failure);
      return state.keys.get(kid);
    },

    onRead: reader.onRead,

    /** Whether the key is still valid, by the last read. */
    has: (key: VerificationKey): boolean => state.keys.get(key.kid) === key,

    /** Removes a compromised key, which invalidates all tokens that it signed. */
    revoke(kid: string): void {
      reader.revoke(kid);
      refreshInBackground();
    },

    /** Whether a key is valid by a read of the last second. Throws as `get` does. */
    async revalidate(kid: string): Promise<boolean> {
      await readUnlessFresh(state, async () => {
        await reader.refresh().catch((error: unknown) => {
          throw translate(error);
        });
      });
      return state.keys.has(kid);
    },

    /** Whether the key may sign, by the last read. Retired keys only verify. */
    maySign: (kid: string): boolean => state.active.has(kid),

    /** The JWK Set (RFC 7517) of all keys that verify. */
    jwks: (): { keys: PublicJwk[] } => ({ keys: [...state.keys.values()].map(({ jwk }) => jwk) }),

    /** Rejects when the keys cannot be read. */
    refresh: reader.refresh,

    close(): void {
      clearInterval(timer);
    },
  };
}

/**
 * Reads the keys for an unknown kid, at most once per interval.
 * The sender chooses the kid: a flood of forged tokens costs one read a second.
 */
function createUnknownKidRead(reader: KeyReader, intervalMs = 1_000): () => Promise<void> {
  let nextReadAt = 0;
  return async () => {
    const now = performance.now();
    if (now < nextReadAt) return reader.loading()?.catch(() => undefined);
    nextReadAt = now + intervalMs;
    return reader.refresh().catch(() => undefined);
  };
}

/** Reads the keys unless they are fresh, so at most twice a second. */
async function readUnlessFresh(
  state: KeyReader['state'],
  refresh: () => Promise<void>,
): Promise<void> {
  const ageMs = (): number => performance.now() - state.readAt;
  for (let attempt = 0; attempt < MAX_ATTEMPTS && ageMs() > FRESH_MS; attempt += 1) await refresh();
  if (ageMs() > 2 * FRESH_MS)
    throw new DependencyUnavailable({ cause: new Error('The keys are read too slowly.') });
}

/** Whether a key's signatures are valid now. Stale revocations make the ring read the keys. */
export async function isKeyValid(
  {
    revocations,
    keys,
  }: {
    revocations: Pick<Revocations, 'isFresh' | 'isKeyRevoked'>;
    keys: Pick<PublicKeyRing, 'revalidate'>;
  },
  kid: string,
): Promise<boolean> {
  return !revocations.isKeyRevoked(kid) && (revocations.isFresh() || (await keys.revalidate(kid)));
}
