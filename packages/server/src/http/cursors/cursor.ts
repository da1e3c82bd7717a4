import { CursorInvalid } from '../../errors.ts';

/** The cursor that continues a list after this id: 16 bytes in base64url, so it stays opaque. */
export function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/** The id that a cursor stands for. @throws CursorInvalid */
export function decodeCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  // Buffer.from skips what is not base64, so only the exact form is accepted.
  if (bytes.length !== 16 || bytes.toString('base64url') !== cursor) throw new CursorInvalid();
  return formatUuid(bytes.toString('hex'));
}

/** A UUID's text for its 32 hexadecimal digits. */
export function formatUuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The page that answers a list. `rows` holds one more than the page where another page follows. */
export function toPage<Row extends { id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
): { data: Item[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { data: page.map(toItem), next_cursor: last ? encodeCursor(last.id) : null };
}
