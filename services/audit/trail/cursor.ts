import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '@muniment/audit-events';
import { CursorInvalid, formatUuid } from '@muniment/server';

// The first letter names the order of the list, so that a list refuses the cursors of another.
const LIST_PREFIX = 'l';
const EXPORT_PREFIX = 'x';
const SIZE_BYTES = 6;
const ID_BYTES = 16;
const BINDING_BYTES = 10;

/** Where a page of the log ended: the size of the log that it shows, and the last id. */
export interface ListCursor {
  size: number;
  id: string;
}

/** Where a part of an export ended: the size of the log that it shows, and the last index. */
export interface ExportCursor {
  size: number;
  index: number;
}

/**
 * Ten bytes for the reader, filter and order of a cursor. Another filter would skip events
 * silently, so it is refused. They are no secret: a cursor grants nothing.
 */
export const cursorBinding = (boundTo: Json): Buffer =>
  hash('sha256', canonicalJson(boundTo), 'buffer').subarray(0, BINDING_BYTES);

function encodeNumber(value: number): Buffer {
  const bytes = Buffer.alloc(SIZE_BYTES);
  bytes.writeUIntBE(value, 0, SIZE_BYTES);
  return bytes;
}

/** @throws CursorInvalid */
function decode(
  cursor: string,
  binding: Buffer,
  { prefix, positionBytes }: { prefix: string; positionBytes: number },
): { size: number; position: Buffer } {
  const bytes = Buffer.from(cursor.slice(prefix.length), 'base64url');
  const isWhole = bytes.length === SIZE_BYTES + positionBytes + BINDING_BYTES;
  const isCanonical = `${prefix}${bytes.toString('base64url')}` === cursor;
  if (!isWhole || !isCanonical || !bytes.subarray(-BINDING_BYTES).equals(binding))
    throw new CursorInvalid();
  return {
    size: bytes.readUIntBE(0, SIZE_BYTES),
    position: bytes.subarray(SIZE_BYTES, SIZE_BYTES + positionBytes),
  };
}

export function encodeListCursor({ size, id }: ListCursor, binding: Buffer): string {
  const idBytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  const bytes = Buffer.concat([encodeNumber(size), idBytes, binding]);
  return `${LIST_PREFIX}${bytes.toString('base64url')}`;
}

/** @throws CursorInvalid, also for another reader, filter or order */
export function decodeListCursor(cursor: string, binding: Buffer): ListCursor {
  const form = { prefix: LIST_PREFIX, positionBytes: ID_BYTES };
  const { size, position } = decode(cursor, binding, form);
  return { size, id: formatUuid(position.toString('hex')) };
}

export function encodeExportCursor({ size, index }: ExportCursor, binding: Buffer): string {
  const bytes = Buffer.concat([encodeNumber(size), encodeNumber(index), binding]);
  return `${EXPORT_PREFIX}${bytes.toString('base64url')}`;
}

/** @throws CursorInvalid, also for another reader, filter or order */
export function decodeExportCursor(cursor: string, binding: Buffer): ExportCursor {
  const form = { prefix: EXPORT_PREFIX, positionBytes: SIZE_BYTES };
  const { size, position } = decode(cursor, binding, form);
  const index = position.readUIntBE(0, SIZE_BYTES);
  if (index >= size) throw new CursorInvalid();
  return { size, index };
}
