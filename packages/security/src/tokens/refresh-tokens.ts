import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { SealBroken } from '../errors.ts';

const prefix = 'mrt_';
const pattern = /^mrt_[A-Za-z0-9_-]{43}$/;
const nonceLength = 12;
const tagLength = 16;

/** A new opaque refresh token: `mrt_` (so that secret scanners know a leaked one) and 256 random bits in base64url. */
export const createRefreshToken = (): string => prefix + randomBytes(32).toString('base64url');

/** Whether the text has the form of a refresh token; what has not is refused without asking the database. */
export const isRefreshToken = (text: string): boolean => pattern.test(text);

/** What is stored and looked up: SHA-256, 32 bytes. 256 random bits need no slow hash and no salt. */
export const hashRefreshToken = (token: string): Buffer =>
  createHash('sha256').update(token).digest();

const sealingKey = (parent: string): Buffer =>
  Buffer.from(hkdfSync('sha256', parent, '', 'muniment refresh token child', 32));

/**
 * Seals the successor of a spent refresh token so that only who holds the spent one can read it: a client that lost the
 * answer and retries gets the same child, while the database alone yields no usable token.
 * Returns nonce ‖ ciphertext ‖ tag, 75 bytes.
 */
export const sealChild = (parent: string, child: string): Buffer => {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(parent), nonce);
  return Buffer.concat([nonce, cipher.update(child, 'utf8'), cipher.final(), cipher.getAuthTag()]);
};

/** The child that `sealChild` sealed under this parent; throws `seal_broken` for another parent or altered bytes. */
export const openChild = (parent: string, sealed: Buffer): string => {
  if (sealed.length < nonceLength + tagLength) throw new SealBroken();
  const decipher = createDecipheriv(
    'aes-256-gcm',
    sealingKey(parent),
    sealed.subarray(0, nonceLength),
    { authTagLength: tagLength },
  ).setAuthTag(sealed.subarray(-tagLength));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(nonceLength, -tagLength)),
      decipher.final(),
    ]).toString('utf8');
  } catch (cause) {
    throw new SealBroken({ cause });
  }
};
