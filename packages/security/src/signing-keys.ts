import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { MasterKey } from '@muniment/master-key';
import { type Kysely, sql } from 'kysely';

/** A public key as it is stored, shared and shown in the JWKS (RFC 8037). */
export type PublicJwk = { kty: 'OKP'; crv: 'Ed25519'; x: string; kid: string; alg: 'EdDSA'; use: 'sig' };

/** A key that signs access tokens; only the user service ever holds one. */
export type SigningKey = { kid: string; algorithm: 'EdDSA'; privatePem: string };

type StoredKey = { kid: string; wrapped_private: Buffer };

const contextOf = (kid: string) => `signing-key:${kid}`;

/** RFC 7638: the members in this order, without white space. */
const thumbprint = (x: string) =>
  createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');

/** A new Ed25519 pair whose `kid` is its thumbprint, so that a kid can never come to mean another key. */
const generateSigningKey = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const kid = thumbprint(x);
  const publicJwk: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' };
  return { kid, publicJwk, privateDer: privateKey.export({ type: 'pkcs8', format: 'der' }) };
};

const unwrapKey = async (masterKey: MasterKey, stored: StoredKey): Promise<SigningKey> => {
  const der = await masterKey.unwrap(stored.wrapped_private, contextOf(stored.kid));
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { kid: stored.kid, algorithm: 'EdDSA', privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};

const selectActive = async <DB>(db: Kysely<DB>): Promise<StoredKey | undefined> => {
  const { rows } = await sql<StoredKey>`
    select kid, wrapped_private from identity.signing_keys
    where status = 'active' and algorithm = 'EdDSA' order by created_at desc, kid limit 1`.execute(db);
  return rows[0];
};

/** The newest active signing key, or undefined before the first start. Rejects with `master_key_mismatch` under another master key. */
export const loadActiveSigningKey = async <DB>(db: Kysely<DB>, masterKey: MasterKey): Promise<SigningKey | undefined> => {
  const stored = await selectActive(db);
  return stored && unwrapKey(masterKey, stored);
};

/**
 * The active signing key, made if there is none. Replicas that start together get the same one: the advisory lock lets one
 * in at a time, and who comes later finds the row. The private part reaches PostgreSQL only wrapped.
 */
export const ensureSigningKey = async <DB>(db: Kysely<DB>, masterKey: MasterKey): Promise<SigningKey> => {
  const present = await loadActiveSigningKey(db, masterKey);
  if (present) return present;
  const stored = await db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('identity.signing_keys', 0))`.execute(trx);
    // Read committed: this statement has a snapshot of its own, taken after the lock was got.
    const winner = await selectActive(trx);
    if (winner) return winner;
    const { kid, publicJwk, privateDer } = generateSigningKey();
    const wrapped = await masterKey.wrap(privateDer, contextOf(kid));
    privateDer.fill(0);
    await sql`
      insert into identity.signing_keys (kid, algorithm, public_jwk, wrapped_private, status)
      values (${kid}, 'EdDSA', ${JSON.stringify(publicJwk)}::jsonb, ${wrapped}, 'active')`.execute(trx);
    return { kid, wrapped_private: wrapped };
  });
  return unwrapKey(masterKey, stored);
};
