import { createPublicKey } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';

/** A public key as stored and shown in the JWKS (RFC 8037). node:crypto needs a type. */
export type PublicJwk = {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
};

/** A row of the view `shared.public_keys`. */
export interface PublicKeyRow {
  kid: string;
  algorithm: string;
  public_jwk: PublicJwk;
  /** `next` signs once the active key retires. */
  status: 'active' | 'next' | 'retired' | 'compromised';
}

/** A key that verifies. One object a key: identity tells whether it is still valid. */
export interface VerificationKey {
  readonly kid: string;
  readonly pem: string;
  readonly jwk: PublicJwk;
}

/** Reads `shared.public_keys`, for a ring's `load`. */
export async function loadPublicKeys(db: QueryExecutorProvider): Promise<readonly PublicKeyRow[]> {
  const query = sql<PublicKeyRow>`
    select kid, algorithm, public_jwk, status from shared.public_keys`;
  return (await query.execute(db)).rows;
}

const toPem = (jwk: PublicJwk): string =>
  createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();

/** The keys of the last read that succeeded. */
export function createKeyReader(load: () => Promise<readonly PublicKeyRow[]>) {
  /** A read sent before a revocation may answer after it. A kid never names another key. */
  const revoked = new Set<string>();
  const listeners: (() => void)[] = [];
  let loading: Promise<void> | undefined;
  const state = {
    keys: new Map<string, VerificationKey>(),
    active: new Set<string>(),
    /** When the last read was sent, by the monotonic clock. */
    readAt: -Infinity,
    /** Why the last read failed. */
    failure: undefined as unknown,
  };

  async function read(): Promise<void> {
    const sentAt = performance.now();
    try {
      const keys = new Map<string, VerificationKey>();
      const active = new Set<string>();
      for (const { kid, algorithm, public_jwk: jwk, status } of await load()) {
        if (algorithm !== 'EdDSA' || status === 'compromised' || revoked.has(kid)) continue;
        const known = state.keys.get(kid);
        const pem = toPem(jwk);
        keys.set(kid, known?.pem === pem ? known : { kid, pem, jwk });
        if (status === 'active') active.add(kid);
      }
      Object.assign(state, { keys, active, readAt: sentAt, failure: undefined });
    } catch (error) {
      state.failure = error;
      throw error;
    }
  }

  return {
    state: state as Readonly<typeof state>,

    /** Reads the keys, one read at a time; concurrent callers share its outcome. */
    refresh: (): Promise<void> =>
      (loading ??= read()
        .finally(() => (loading = undefined))
        .then(() => listeners.forEach((listener) => listener()))),

    /** The read under way. */
    loading: (): Promise<void> | undefined => loading,

    /** Calls `listener` after each read that succeeded. */
    onRead: (listener: () => void): void => void listeners.push(listener),

    /** Removes a compromised key for ever. */
    revoke(kid: string): void {
      revoked.add(kid);
      state.keys.delete(kid);
      state.active.delete(kid);
    },
  };
}

export type KeyReader = ReturnType<typeof createKeyReader>;
