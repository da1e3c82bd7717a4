import type { Json } from '@muniment/audit-events';

/**
 * The start of a formula for a spreadsheet (OWASP, CSV Injection), also behind blanks and in the
 * full-width forms that some programs accept. Apostrophes before it are taken in, so that a text
 * which has one already gets its own back.
 */
const FORMULA = /^'*[\s\u00a0\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/**
 * A field by RFC 4180 §2. All text is quoted, so that none can open another field. Null is empty.
 * An apostrophe keeps spreadsheets from calculating a text.
 */
export function csvField(value: Json): string {
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${FORMULA.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`;
}

/** The text that `csvField` was given, of a field whose quotes are parsed. */
export const parseCsvField = (field: string): string =>
  field.startsWith("'") && FORMULA.test(field) ? field.slice(1) : field;
