import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { canonicalJson, type Json } from '@muniment/audit-events';
import { CursorInvalid } from '../../errors.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Cursors that only their list reads, bound to its filter and order. They are encrypted, since a
 * position may be that of a row that the caller does not see.
 */
export interface BoundCursors {
  /** @param boundTo what tells this list from every other: its name, filter and order */
  seal(position: readonly string[], boundTo: Json): string;
  /**
   * The position that was sealed.
   * @throws CursorInvalid for an edited cursor, and for one of another filter, order or list
   */
  open(cursor: string, boundTo: Json): string[];
}

/** AES-256-GCM: nonce ‖ ciphertext ‖ tag. @param secret 32 bytes, the same on every replica */
export function createBoundCursors(secret: Buffer): BoundCursors {
  const key = createSecretKey(secret);
  const boundBytes = (boundTo: Json): Buffer => Buffer.from(canonicalJson(boundTo));
  return {
    seal(position, boundTo) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(boundBytes(boundTo));
      const text = Buffer.concat([cipher.update(JSON.stringify(position), 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url');
    },
    open(cursor, boundTo) {
      const bytes = Buffer.from(cursor, 'base64url');
      // Buffer.from skips what is not base64, so only the exact form is accepted.
      if (bytes.length <= NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== cursor)
        throw new CursorInvalid();
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(boundBytes(boundTo))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      try {
        decipher.final();
      } catch {
        throw new CursorInvalid();
      }
      return JSON.parse(text.toString()) as string[];
    },
  };
}
