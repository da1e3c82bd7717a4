import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { IdempotencyKeyMalformed } from '../errors.ts';

const BARE = /^[\x21-\x7e]{1,255}$/;
/** RFC 8941 §3.3.3, a String: between quotes, with `\"` and `\\`. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Parses an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header §2.1): a String of RFC
 * 8941, or bare characters, as most clients send it. Both forms are the same key.
 * @throws IdempotencyKeyMalformed unless it is 1 to 255 visible ASCII characters
 */
export function parseIdempotencyKey(field: string | string[]): string {
  const text = String(field);
  const key = text.startsWith('"') ? QUOTED.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1') : text;
  if (key === undefined || !BARE.test(key)) throw new IdempotencyKeyMalformed();
  return key;
}

/** HMAC-SHA-256 under the service's secret. JSON keeps the purpose and the parts apart. */
export function keyedHash(
  secret: Buffer,
  purpose: 'scope' | 'fingerprint',
  ...parts: readonly string[]
): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([purpose, ...parts]))
    .digest();
}

/** What decrypts an answer: the service's secret, and the key and content the client sends. */
export interface AnswerKey {
  secret: Buffer;
  key: string;
  content: string;
}

/** HKDF (RFC 5869). With the secret as salt, a guessed key opens nothing of a stolen database. */
const derive = ({ secret, key, content }: AnswerKey): Buffer =>
  Buffer.from(
    hkdfSync('sha256', JSON.stringify([key, content]), secret, 'muniment idempotency answer', 32),
  );

/** AES-256-GCM bound to its row: nonce ‖ ciphertext ‖ tag. */
export function encryptAnswer(by: AnswerKey, scope: Buffer, answer: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', derive(by), nonce).setAAD(scope);
  return Buffer.concat([nonce, cipher.update(answer, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** @throws for another key, content, secret or row, and for altered bytes */
export function decryptAnswer(by: AnswerKey, scope: Buffer, sealed: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', derive(by), sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(scope)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]).toString('utf8');
}
