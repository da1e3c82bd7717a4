import type { Json } from '@muniment/audit-events';
import { toEntry, type Entry } from './export-entry.ts';
import type { ExportFormat } from './format.ts';

const COLUMNS = [
  'index',
  'id',
  'timestamp',
  'source',
  'action',
  'outcome',
  'user_id',
  'email',
  'ip',
  'user_agent',
  'resource',
  'resource_type',
  'session_id',
  'tenant_id',
  'request_id',
  'traceparent',
  'error',
  'metadata',
  'lane',
  'seq',
  'version',
] as const satisfies readonly (keyof Entry)[];

/**
 * The start of a formula for a spreadsheet (OWASP, CSV Injection), also behind blanks and in the
 * full-width forms that some programs accept.
 */
const FORMULA = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/**
 * A field by RFC 4180 §2. All text is quoted, so that none can open another field. Null is empty.
 */
export function csvField(value: Json): string {
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${FORMULA.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`;
}

const line = (entry: Entry): string =>
  `${COLUMNS.map((column) => csvField(entry[column])).join(',')}\r\n`;

/** RFC 4180 with a header row. An apostrophe keeps spreadsheets from calculating a text. */
export const csv: ExportFormat = {
  mediaType: 'text/csv; charset=utf-8; header=present',
  extension: 'csv',
  async *write(_start, rows) {
    yield `${COLUMNS.join(',')}\r\n`;
    for await (const batch of rows) yield batch.map((row) => line(toEntry(row))).join('');
  },
};
