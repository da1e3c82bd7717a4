import { CursorInvalid } from '../errors.ts';

/** The cursor that continues a list behind the file with this id: its 16 bytes in base64url, so that nobody builds one by hand. */
export function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/** The id that a cursor stands for. @throws CursorInvalid */
export function decodeCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  // Buffer.from skips what is not base64: only the exact form counts.
  if (bytes.length !== 16 || bytes.toString('base64url') !== cursor) throw new CursorInvalid();
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
