import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { masterKeyError } from './errors.ts';

/**
 * Wraps other keys. Shaped like AWS KMS Encrypt and Decrypt with an encryption context, hence asynchronous: a
 * deployment with KMS or an HSM puts its own object in this place and nothing else changes.
 */
export type MasterKey = {
  /** 16 hex digits; tells keys apart, reveals nothing of the key. */
  readonly id: string;
  /** `context` says what is wrapped and for whom (`signing-key:<kid>`); the same one must be given to unwrap. */
  wrap(plaintext: Buffer, context: string): Promise<Buffer>;
  /** Rejects with `master_key_mismatch` (wrapped by another key) or `master_key_unwrap_failed`. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
};

const keyLength = 32;
const version = 1;
const idLength = 8;
const nonceLength = 12;
const tagLength = 16;
const headerLength = 1 + idLength;

/** The `id` of the master key that has wrapped this, of whatever key; undefined when none has. */
export const wrappedBy = (wrapped: Buffer): string | undefined =>
  wrapped.length < headerLength + nonceLength + tagLength || wrapped[0] !== version
    ? undefined
    : wrapped.toString('hex', 1, headerLength);

/** A new key as one line of a master key file: 32 random bytes in base64. */
export const generateMasterKey = (): string => randomBytes(keyLength).toString('base64');

/** A master key from its 32 raw bytes. */
export const createMasterKey = (key: Buffer): MasterKey => {
  if (key.length !== keyLength)
    throw masterKeyError('master_key_malformed', 'a master key has 32 bytes');
  const id = createHash('sha256')
    .update('muniment master key id\0')
    .update(key)
    .digest()
    .subarray(0, idLength);
  const header = Buffer.concat([Buffer.of(version), id]);
  const authenticated = (context: string) => Buffer.concat([header, Buffer.from(context, 'utf8')]);

  return {
    id: id.toString('hex'),

    // version ‖ key id ‖ nonce ‖ ciphertext ‖ tag. Random nonces are safe up to 2^32 wraps a key (NIST SP 800-38D §8.3).
    async wrap(plaintext, context) {
      const nonce = randomBytes(nonceLength);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(authenticated(context));
      return Buffer.concat([
        header,
        nonce,
        cipher.update(plaintext),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
    },

    async unwrap(wrapped, context) {
      const by = wrappedBy(wrapped);
      if (by === undefined)
        throw masterKeyError('master_key_unwrap_failed', 'not something a master key has wrapped');
      if (by !== id.toString('hex'))
        throw masterKeyError(
          'master_key_mismatch',
          `wrapped by master key ${by}, this is ${id.toString('hex')}`,
        );
      const nonce = wrapped.subarray(headerLength, headerLength + nonceLength);
      const ciphertext = wrapped.subarray(headerLength + nonceLength, -tagLength);
      // The tag's length is pinned: GCM in Node takes a 4-byte tag otherwise, which can be guessed.
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
        .setAAD(authenticated(context))
        .setAuthTag(wrapped.subarray(-tagLength));
      try {
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      } catch (cause) {
        throw masterKeyError(
          'master_key_unwrap_failed',
          'wrapped bytes or their context were altered',
          cause,
        );
      }
    },
  };
};
