import type { FastifyBaseLogger } from 'fastify';
import type { PublicKeyRing, SigningKey } from '@muniment/security';

/** What a service that issues tokens signs them with, and for how long they count. */
export interface Signing {
  key: SigningKey;
  ttlSeconds: number;
}

/** The signing key of this replica as it is now. */
export interface CurrentSigning {
  key(): SigningKey;
  /** Replaces the key where it may no longer sign. Never rejects. */
  renew(): Promise<void>;
}

/**
 * Replaces the signing key once the ring reads that it is compromised or retired, without a restart
 * of the replica. Where that fails, the next read tries again.
 */
export async function createSigning(
  load: () => Promise<Signing>,
  keys: PublicKeyRing,
  log: FastifyBaseLogger,
): Promise<CurrentSigning & { ttlSeconds: number }> {
  const first = await load();
  let { key } = first;
  let renewing = false;
  return {
    ttlSeconds: first.ttlSeconds,
    key: () => key,
    async renew() {
      if (renewing || keys.maySign(key.kid)) return;
      renewing = true;
      try {
        const next = (await load()).key;
        if (next.kid === key.kid) return;
        log.warn({ kid: key.kid, next_kid: next.kid }, 'signing key replaced');
        key = next;
        // Its first token must verify here, and the JWKS name it, before the ring's next turn.
        await keys.refresh();
      } catch (error) {
        log.error(
          { err: error, kid: key.kid },
          'a signing key that no longer counts could not be replaced',
        );
      } finally {
        renewing = false;
      }
    },
  };
}
