import { AuditErrors } from './errors.ts';

// A letter in front, so that a list ordered another way can tell its cursors from these.
const FORM = /^i([A-Za-z0-9_-]{22})$/;

/** Where a page ended, as text that promises nothing about its inside. */
export function encodeCursor(id: string): string {
  return `i${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}`;
}

/** @throws cursor_invalid for what `encodeCursor` has not made */
export function decodeCursor(cursor: string): string {
  const hex = Buffer.from(FORM.exec(cursor)?.[1] ?? '', 'base64url').toString('hex');
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  // Base64 has more than one spelling of some bytes; only the one given out is taken.
  if (hex.length !== 32 || encodeCursor(id) !== cursor) throw new AuditErrors.CursorInvalid();
  return id;
}
