import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { Json, PersonalBlock } from './event.ts';

const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Personal values: `email`, `ip`, `user_agent`, and those that a caller marks as personal. */
export type PersonalValues = { readonly [name: string]: Json };

/** A subject's key as a process holds it. */
export interface SubjectKey {
  keyId: string;
  subject: string;
  /** 32 bytes as a key object. A buffer would cost 11 of the 14 µs that opening a block takes. */
  secret: KeyObject;
}

// Bound to the event, so that a block moved to another event does not open.
const associatedData = (eventId: string, key: SubjectKey): Buffer =>
  Buffer.from(`${eventId}|${key.subject}|${key.keyId}`);

/**
 * Encrypts the values and commits to them. The salt keeps a guessed value from being tested against
 * the commitment.
 */
export function sealPersonal(
  eventId: string,
  values: PersonalValues,
  key: SubjectKey,
): PersonalBlock {
  const salted = Buffer.concat([randomBytes(SALT_BYTES), Buffer.from(canonicalJson(values))]);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce).setAAD(
    associatedData(eventId, key),
  );
  const ciphertext = Buffer.concat([cipher.update(salted), cipher.final(), cipher.getAuthTag()]);
  return {
    subject: key.subject,
    key_id: key.keyId,
    commitment: hash('sha256', salted, 'base64'),
    nonce: nonce.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
}

/** What was committed to: `commitment = SHA-256(salt ‖ values)`. */
export interface CommittedValues {
  salt: Buffer;
  /** Canonical JSON (RFC 8785) of the values. */
  values: string;
}

/**
 * Decrypts a block into the bytes that its commitment covers.
 * @throws when the key, the event or a byte differs, or when the values are not those committed to
 */
export function openCommitted(
  eventId: string,
  block: PersonalBlock,
  key: SubjectKey,
): CommittedValues {
  const sealed = Buffer.from(block.ciphertext, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key.secret, Buffer.from(block.nonce, 'base64'), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(associatedData(eventId, key))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  const salted = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  if (hash('sha256', salted, 'base64') !== block.commitment)
    throw new Error('The values are not those committed to.');
  return { salt: salted.subarray(0, SALT_BYTES), values: salted.subarray(SALT_BYTES).toString() };
}

/** Decrypts a block into its values. @throws as `openCommitted` */
export function openPersonal(
  eventId: string,
  block: PersonalBlock,
  key: SubjectKey,
): PersonalValues {
  return JSON.parse(openCommitted(eventId, block, key).values) as PersonalValues;
}

/** Encrypts bytes that cannot be parsed into values, bound to `id`: nonce first, tag last. */
export function sealBytes(id: string, bytes: Uint8Array, key: SubjectKey): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce).setAAD(associatedData(id, key));
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts what `sealBytes` encrypted. @throws when the key, the id or a byte differs */
export function openBytes(id: string, sealed: Uint8Array, key: SubjectKey): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key.secret, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(associatedData(id, key))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]);
}

/**
 * The subject of an address without an account. It is stable for a day and does not reveal the
 * address.
 */
export function addressSubject(address: string, dayKey: SubjectKey): string {
  return `address:${createHmac('sha256', dayKey.secret).update(address).digest('base64url')}`;
}

/** The subject of temporary values that cannot be attributed to anybody. */
export const UNNAMED = 'unnamed';

/**
 * Derives an address's key from the day's key: a flood of addresses makes no rows, and all end with
 * the day's key.
 */
export function addressKey(subject: string, dayKey: SubjectKey): SubjectKey {
  return {
    keyId: dayKey.keyId,
    subject,
    secret: createSecretKey(Buffer.from(hkdfSync('sha256', dayKey.secret, '', subject, 32))),
  };
}
