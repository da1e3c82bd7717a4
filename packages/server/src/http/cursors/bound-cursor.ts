import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { canonicalJson, type Json } from '@muniment/audit-events';
import { CursorInvalid } from '../../errors.ts';

const MAC_BYTES = 16;

/** Cursors that only their list reads: a MAC binds them to its filter and order. */
export interface BoundCursors {
  /** @param boundTo what tells this list from every other: its name, filter and order */
  seal(position: readonly string[], boundTo: Json): string;
  /**
   * The position that was sealed.
   * @throws CursorInvalid for an edited cursor, and for one of another filter, order or list
   */
  open(cursor: string, boundTo: Json): string[];
}

/** @param secret the same on every replica */
export function createBoundCursors(secret: Buffer): BoundCursors {
  const key = createSecretKey(secret);
  const macOf = (position: Buffer, boundTo: Json): Buffer =>
    createHmac('sha256', key)
      .update(canonicalJson(boundTo))
      .update('\0')
      .update(position)
      .digest()
      .subarray(0, MAC_BYTES);
  return {
    seal(position, boundTo) {
      const bytes = Buffer.from(JSON.stringify(position));
      return Buffer.concat([macOf(bytes, boundTo), bytes]).toString('base64url');
    },
    open(cursor, boundTo) {
      const bytes = Buffer.from(cursor, 'base64url');
      const position = bytes.subarray(MAC_BYTES);
      // Buffer.from skips what is not base64, so only the exact form is accepted.
      if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor)
        throw new CursorInvalid();
      if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(position, boundTo)))
        throw new CursorInvalid();
      return JSON.parse(position.toString()) as string[];
    },
  };
}
