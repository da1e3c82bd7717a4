import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '@muniment/audit-events';
import { CursorInvalid } from '@muniment/server';

// A letter in front, so that a list ordered another way can tell its cursors from these.
const ID_FORM = /^i([A-Za-z0-9_-]{22})$/;

const hexOf = (id: string): string => id.replaceAll('-', '');
const uuidOf = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

/** Where a page of a list by id ended, as text that promises nothing about its inside. */
export function encodeIdCursor(id: string): string {
  return `i${Buffer.from(hexOf(id), 'hex').toString('base64url')}`;
}

/** @throws cursor_invalid for what `encodeCursor` has not made */
export function decodeIdCursor(cursor: string): string {
  const hex = Buffer.from(ID_FORM.exec(cursor)?.[1] ?? '', 'base64url').toString('hex');
  const id = uuidOf(hex);
  // Base64 has more than one spelling of some bytes; only the one given out is taken.
  if (hex.length !== 32 || encodeIdCursor(id) !== cursor) throw new CursorInvalid();
  return id;
}

const SIZE_BYTES = 6;
const BINDING_BYTES = 10;

/** Where a page of the log ended: in a view of the log at `size` entries, behind this id (a list) or this index (an export). */
export interface ListCursor {
  size: number;
  id: string;
}

export interface ExportCursor {
  size: number;
  index: number;
}

/**
 * Ten bytes that stand for the reader, the filter and the order that a cursor was given out for. They keep a cursor from being continued with
 * another filter by mistake, which would skip events silently; they protect nothing, since a cursor opens nothing.
 */
export const cursorBinding = (what: Json): Buffer =>
  hash('sha256', canonicalJson(what), 'buffer').subarray(0, BINDING_BYTES);

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(SIZE_BYTES);
  bytes.writeUIntBE(value, 0, SIZE_BYTES);
  return bytes;
};

function decode(
  prefix: string,
  cursor: string,
  positionBytes: number,
  binding: Buffer,
): { size: number; position: Buffer } {
  const bytes = Buffer.from(cursor.slice(prefix.length), 'base64url');
  const whole = bytes.length === SIZE_BYTES + positionBytes + BINDING_BYTES;
  if (
    !whole ||
    `${prefix}${bytes.toString('base64url')}` !== cursor ||
    !bytes.subarray(-BINDING_BYTES).equals(binding)
  )
    throw new CursorInvalid();
  return {
    size: bytes.readUIntBE(0, SIZE_BYTES),
    position: bytes.subarray(SIZE_BYTES, SIZE_BYTES + positionBytes),
  };
}

export function encodeListCursor({ size, id }: ListCursor, binding: Buffer): string {
  return `l${Buffer.concat([number(size), Buffer.from(hexOf(id), 'hex'), binding]).toString('base64url')}`;
}

/** @throws cursor_invalid for what was not given out for the same reader, filter and order */
export function decodeListCursor(cursor: string, binding: Buffer): ListCursor {
  const { size, position } = decode('l', cursor, 16, binding);
  return { size, id: uuidOf(position.toString('hex')) };
}

export function encodeExportCursor({ size, index }: ExportCursor, binding: Buffer): string {
  return `x${Buffer.concat([number(size), number(index), binding]).toString('base64url')}`;
}

/** @throws cursor_invalid, as `decodeListCursor` */
export function decodeExportCursor(cursor: string, binding: Buffer): ExportCursor {
  const { size, position } = decode('x', cursor, SIZE_BYTES, binding);
  const index = position.readUIntBE(0, SIZE_BYTES);
  if (index >= size) throw new CursorInvalid();
  return { size, index };
}
