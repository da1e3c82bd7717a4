import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { MasterKey } from '@muniment/master-key';
import type { PublicJwk, SigningKey } from '@muniment/security';
import type { Kysely, Transaction } from 'kysely';
import {
  activateSigningKey,
  findSigningKey,
  insertSigningKey,
  lockSigningKeys,
  markSigningKeysCompromised,
  retireSigningKey,
  type SigningStatus,
  type StoredKey,
} from './signing-key-queries.ts';

/** The keys that changed, by their kids. */
export interface KeyRotation {
  active: string;
  next: string;
  retired: string | null;
  compromised: string[];
}

const wrapContext = (kid: string) => `signing-key:${kid}`;

/** RFC 7638: the members in this order, without white space. */
const thumbprint = (x: string) =>
  createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');

/** Generates an Ed25519 pair. Its `kid` is its thumbprint, so it never names another key. */
function generateSigningKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const kid = thumbprint(x);
  const publicJwk: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' };
  return { kid, publicJwk, privateDer: privateKey.export({ type: 'pkcs8', format: 'der' }) };
}

async function unwrapKey(masterKey: MasterKey, stored: StoredKey): Promise<SigningKey> {
  const der = await masterKey.unwrap(stored.wrapped_private, wrapContext(stored.kid));
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    kid: stored.kid,
    algorithm: 'EdDSA',
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Loads the active signing key, if any. @throws MasterKeyError `master_key_mismatch` */
export async function loadActiveSigningKey<DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
): Promise<SigningKey | undefined> {
  const stored = await findSigningKey(db, 'active');
  return stored && unwrapKey(masterKey, stored);
}

/** Creates and stores a key. PostgreSQL gets its private part only wrapped. */
async function createKey<DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  status: SigningStatus,
): Promise<StoredKey> {
  const { kid, publicJwk, privateDer } = generateSigningKey();
  const wrappedPrivate = await masterKey.wrap(privateDer, wrapContext(kid));
  privateDer.fill(0);
  await insertSigningKey(trx, status, { kid, publicJwk, wrappedPrivate });
  return { kid, wrapped_private: wrappedPrivate };
}

/** Creates missing keys. Without an active key the next one becomes active. */
async function completeKeys<DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
): Promise<{ active: StoredKey; next: StoredKey }> {
  const active = await findSigningKey(trx, 'active');
  const next = await findSigningKey(trx, 'next');
  if (active) return { active, next: next ?? (await createKey(trx, masterKey, 'next')) };
  if (!next)
    return {
      active: await createKey(trx, masterKey, 'active'),
      next: await createKey(trx, masterKey, 'next'),
    };
  await activateSigningKey(trx, next.kid);
  return { active: next, next: await createKey(trx, masterKey, 'next') };
}

/**
 * Returns the active signing key and creates missing ones. A lock makes replicas that start
 * together agree.
 */
export async function ensureSigningKey<DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
): Promise<SigningKey> {
  const active = await findSigningKey(db, 'active');
  if (active && (await findSigningKey(db, 'next'))) return unwrapKey(masterKey, active);
  const created = await db.transaction().execute(async (trx) => {
    await lockSigningKeys(trx);
    return (await completeKeys(trx, masterKey)).active;
  });
  return unwrapKey(masterKey, created);
}

/**
 * Activates the next key and creates another. Keys are published long before they sign, so cached
 * JWKS hold them.
 * @param olderThanDays minimum age of the active key; 0 rotates in any case
 * @returns undefined when no rotation was due
 */
export async function rotateSigningKeys<DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  olderThanDays = 0,
): Promise<KeyRotation | undefined> {
  await lockSigningKeys(trx);
  const retired = await retireSigningKey(trx, olderThanDays);
  if (retired === null) return undefined;
  const { active, next } = await completeKeys(trx, masterKey);
  return { active: active.kid, next: next.kid, retired, compromised: [] };
}

/**
 * Marks keys as compromised: they never sign or verify again.
 * @param kids those keys, or all (the master key was stolen)
 * @returns undefined when none of them exists unmarked
 */
export async function compromiseSigningKeys<DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  kids: readonly string[] | 'all',
): Promise<KeyRotation | undefined> {
  await lockSigningKeys(trx);
  const compromised = await markSigningKeysCompromised(trx, kids);
  if (compromised.length === 0) return undefined;
  const { active, next } = await completeKeys(trx, masterKey);
  return { active: active.kid, next: next.kid, retired: null, compromised };
}
