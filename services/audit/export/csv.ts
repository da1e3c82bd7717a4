import { csvField } from '@muniment/server';
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
