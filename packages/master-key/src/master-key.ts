import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { MasterKeyError } from './errors.ts';

/**
 * Wraps other keys. Its shape is AWS KMS Encrypt and Decrypt with an encryption context, hence
 * asynchronous.
 * A deployment with KMS or an HSM replaces this object and nothing else.
 */
export interface MasterKey {
  /** 16 hex digits that tell keys apart and reveal nothing of the key. */
  readonly id: string;
  /**
   * `context` names the wrapped key and its owner (`signing-key:<kid>`); unwrapping needs the same
   * one.
   */
  wrap(plaintext: Buffer, context: string): Promise<Buffer>;
  /**
   * @throws MasterKeyError `master_key_mismatch` (another key wrapped it),
   * `master_key_unwrap_failed`
   */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
}

const KEY_BYTES = 32;
const FORMAT_VERSION = 1;
const ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + ID_BYTES;

/** The `id` of the master key that wrapped these bytes; undefined when they have another format. */
export function wrappedBy(wrapped: Buffer): string | undefined {
  if (wrapped.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES) return undefined;
  return wrapped[0] === FORMAT_VERSION ? wrapped.toString('hex', 1, HEADER_BYTES) : undefined;
}

/** Generates a key as one line of a master key file: 32 random bytes in base64. */
export const generateMasterKey = (): string => randomBytes(KEY_BYTES).toString('base64');

function requireWrappedBy(wrapped: Buffer, id: string): void {
  const wrapperId = wrappedBy(wrapped);
  if (wrapperId === undefined)
    throw new MasterKeyError(
      'master_key_unwrap_failed',
      'The bytes were not wrapped by a master key. Check where they come from.',
    );
  if (wrapperId !== id)
    throw new MasterKeyError(
      'master_key_mismatch',
      `Master key ${wrapperId} wrapped the bytes, but this is ${id}. Add the missing key to the file.`,
    );
}

/**
 * Creates a master key (AES-256-GCM) from its 32 raw bytes.
 * @throws MasterKeyError `master_key_malformed`
 */
export function createMasterKey(key: Buffer): MasterKey {
  if (key.length !== KEY_BYTES)
    throw new MasterKeyError('master_key_malformed', 'A master key must have 32 bytes.');
  const idBytes = createHash('sha256')
    .update('muniment master key id\0')
    .update(key)
    .digest()
    .subarray(0, ID_BYTES);
  const id = idBytes.toString('hex');
  const header = Buffer.concat([Buffer.of(FORMAT_VERSION), idBytes]);
  const authenticated = (context: string) => Buffer.concat([header, Buffer.from(context, 'utf8')]);

  return {
    id,

    // version ‖ key id ‖ nonce ‖ ciphertext ‖ tag. Random nonces are safe up to 2^32 wraps a key
    // (NIST SP 800-38D §8.3).
    async wrap(plaintext, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(authenticated(context));
      const ciphertext = [cipher.update(plaintext), cipher.final()];
      return Buffer.concat([header, nonce, ...ciphertext, cipher.getAuthTag()]);
    },

    async unwrap(wrapped, context) {
      requireWrappedBy(wrapped, id);
      const nonce = wrapped.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
      const ciphertext = wrapped.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES);
      // The tag's length is pinned: Node's GCM otherwise accepts a 4-byte tag, which can be
      // guessed.
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(authenticated(context))
        .setAuthTag(wrapped.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      } catch (cause) {
        throw new MasterKeyError(
          'master_key_unwrap_failed',
          'The wrapped bytes or their context were altered. Restore them from a backup.',
          { cause },
        );
      }
    },
  };
}
