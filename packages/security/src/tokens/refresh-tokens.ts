import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { SealBroken } from '../errors.ts';

const PREFIX = 'mrt_';
const PATTERN = /^mrt_[A-Za-z0-9_-]{43}$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Creates a refresh token: `mrt_`, for secret scanners, and 256 random bits in base64url. */
export const createRefreshToken = (): string => PREFIX + randomBytes(32).toString('base64url');

/** Whether the text has a refresh token's form; others never reach the database. */
export const isRefreshToken = (text: string): boolean => PATTERN.test(text);

/** The SHA-256 that is stored. 256 random bits need no slow hash and no salt. */
export const hashRefreshToken = (token: string): Buffer =>
  createHash('sha256').update(token).digest();

const sealingKey = (parent: string): Buffer =>
  Buffer.from(hkdfSync('sha256', parent, '', 'muniment refresh token child', 32));

/**
 * Seals the successor of a spent refresh token under the spent one.
 * A client that lost the answer gets it again; the database alone yields no token.
 * @returns nonce ‖ ciphertext ‖ tag, 75 bytes
 */
export function sealChild(parent: string, child: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(parent), nonce);
  return Buffer.concat([nonce, cipher.update(child, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens the child that `sealChild` sealed under this parent.
 * @throws SealBroken for another parent or altered bytes
 */
export function openChild(parent: string, sealed: Buffer): string {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new SealBroken();
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(parent), nonce, {
    authTagLength: TAG_BYTES,
  }).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]).toString('utf8');
  } catch (cause) {
    throw new SealBroken({ cause });
  }
}
