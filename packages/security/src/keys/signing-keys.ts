import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { MasterKey } from '@muniment/master-key';
import { type Kysely, sql, type Transaction } from 'kysely';

/** A public key as it is stored, shared and shown in the JWKS (RFC 8037). */
export type PublicJwk = {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
};

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
  return {
    kid: stored.kid,
    algorithm: 'EdDSA',
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
};

type SigningStatus = 'active' | 'next';

const select = async <DB>(
  db: Kysely<DB>,
  status: SigningStatus,
): Promise<StoredKey | undefined> => {
  const { rows } = await sql<StoredKey>`
    select kid, wrapped_private from identity.signing_keys where status = ${status} and algorithm = 'EdDSA'`.execute(
    db,
  );
  return rows[0];
};

/** The active signing key, or undefined before the first start. Rejects with `master_key_mismatch` under another master key. */
export const loadActiveSigningKey = async <DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
): Promise<SigningKey | undefined> => {
  const stored = await select(db, 'active');
  return stored && unwrapKey(masterKey, stored);
};

const insert = async <DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  status: SigningStatus,
): Promise<StoredKey> => {
  const { kid, publicJwk, privateDer } = generateSigningKey();
  // The private part reaches PostgreSQL only wrapped.
  const wrapped = await masterKey.wrap(privateDer, contextOf(kid));
  privateDer.fill(0);
  await sql`
    insert into identity.signing_keys (kid, algorithm, public_jwk, wrapped_private, status, activated_at)
    values (${kid}, 'EdDSA', ${JSON.stringify(publicJwk)}::jsonb, ${wrapped}, ${status}, case when ${status} = 'active' then now() end)`.execute(
    trx,
  );
  return { kid, wrapped_private: wrapped };
};

/** One in the whole deployment changes keys at a time. Read committed: what is read after it has a snapshot taken after the lock was got. */
const lockKeys = async <DB>(trx: Transaction<DB>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(hashtextextended('identity.signing_keys', 0))`.execute(
    trx,
  );
};

/** Makes what is missing of the two: the key that signs, for which the next one is taken, and the next one. */
const complete = async <DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
): Promise<{ active: StoredKey; next: StoredKey }> => {
  const present = await select(trx, 'active');
  const next = await select(trx, 'next');
  if (present) return { active: present, next: next ?? (await insert(trx, masterKey, 'next')) };
  if (!next)
    return {
      active: await insert(trx, masterKey, 'active'),
      next: await insert(trx, masterKey, 'next'),
    };
  await sql`update identity.signing_keys set status = 'active', activated_at = now() where kid = ${next.kid}`.execute(
    trx,
  );
  return { active: next, next: await insert(trx, masterKey, 'next') };
};

/**
 * The active signing key, made if there is none, and the next one beside it. Replicas that start together get the same one: the lock lets one
 * in at a time, and who comes later finds the rows.
 */
export const ensureSigningKey = async <DB>(
  db: Kysely<DB>,
  masterKey: MasterKey,
): Promise<SigningKey> => {
  const present = await select(db, 'active');
  if (present && (await select(db, 'next'))) return unwrapKey(masterKey, present);
  return unwrapKey(
    masterKey,
    await db.transaction().execute(async (trx) => {
      await lockKeys(trx);
      return (await complete(trx, masterKey)).active;
    }),
  );
};

/** Which keys changed, by their kids. */
export type KeyRotation = {
  active: string;
  next: string;
  retired: string | null;
  compromised: string[];
};

/** A token lives for a day at the longest; a retired key verifies for a little more. */
const RETIRED_VERIFIES = sql.raw(`interval '25 hours'`);

const retire = async <DB>(trx: Transaction<DB>, olderThanDays: number): Promise<string | null> => {
  const { rows } = await sql<{ kid: string }>`
    update identity.signing_keys set status = 'retired', retires_at = now() + ${RETIRED_VERIFIES}, wrapped_private = null
    where status = 'active' and activated_at <= now() - ${olderThanDays} * interval '1 day' returning kid`.execute(
    trx,
  );
  return rows[0]?.kid ?? null;
};

/**
 * Has the next key sign and makes another next one. Every key is published for as long as its predecessor signed before it signs, so whoever keeps a JWKS
 * has it by then. The retired one verifies until the last token that it signed has expired, and loses its private part at once.
 * @param olderThanDays only if the active key has signed for so long; in any case by default
 * @returns undefined when it was not due
 */
export const rotateSigningKeys = async <DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  olderThanDays = 0,
): Promise<KeyRotation | undefined> => {
  await lockKeys(trx);
  const retired = await retire(trx, olderThanDays);
  if (retired === null) return undefined;
  const { active, next } = await complete(trx, masterKey);
  return { active: active.kid, next: next.kid, retired, compromised: [] };
};

/**
 * Marks keys as compromised, whatever they were: what they signed counts nowhere any more, and they sign and verify never again. Where they were to sign,
 * the next ones do.
 * @param kids those keys, or all that there are (the master key was stolen)
 * @returns undefined when there is none of these, or they were marked already
 */
export const compromiseSigningKeys = async <DB>(
  trx: Transaction<DB>,
  masterKey: MasterKey,
  kids: readonly string[] | 'all',
): Promise<KeyRotation | undefined> => {
  await lockKeys(trx);
  const { rows } = await sql<{ kid: string }>`
    update identity.signing_keys set status = 'compromised', wrapped_private = null
    where status <> 'compromised' and (${kids === 'all'} or kid = any(${kids === 'all' ? [] : kids}::text[])) returning kid`.execute(
    trx,
  );
  if (rows.length === 0) return undefined;
  const { active, next } = await complete(trx, masterKey);
  return {
    active: active.kid,
    next: next.kid,
    retired: null,
    compromised: rows.map(({ kid }) => kid),
  };
};
