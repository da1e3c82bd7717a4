import { isUtf8 } from 'node:buffer';
import { parse, type Parser } from 'csv-parse';
import { parseCsvField, parseStorableJson } from '@muniment/server';
import {
  CsvMalformed,
  HeaderInvalid,
  ImportNotUtf8,
  ImportTooLarge,
  TooManyRows,
} from '../../errors.ts';
import type { SentRow } from './row.ts';

export const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ROWS = 50_000;
const MAX_ROW_CHARACTERS = 64 * 1024;

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

export type ImportFormat = 'csv' | 'ndjson';

/**
 * Reads the rows of a body as they arrive, in bounded memory.
 * @throws ImportTooLarge, ImportNotUtf8, TooManyRows, CsvMalformed, HeaderInvalid
 */
export async function* readRows(
  body: AsyncIterable<Buffer>,
  format: ImportFormat,
): AsyncGenerator<SentRow> {
  const text = decode(body);
  let count = 0;
  for await (const row of format === 'csv' ? readCsv(text) : readNdjson(text)) {
    count += 1;
    if (count > MAX_ROWS) throw new TooManyRows();
    yield row;
  }
}

/** Without the byte order mark that spreadsheets write. What is readable comes before the fault. */
async function* decode(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let held = Buffer.alloc(0);
  let size = 0;
  let hasBegun = false;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_BYTES) throw new ImportTooLarge();
    const bytes = Buffer.concat([held, part]);
    const end = bytes.length - countIncomplete(bytes);
    held = bytes.subarray(end);
    if (end === 0) continue;
    const isMarked = !hasBegun && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
    hasBegun = true;
    const text = bytes.subarray(isMarked ? 3 : 0, end);
    if (isUtf8(text)) yield text.toString();
    else {
      yield* readableLines(text);
      throw new ImportNotUtf8();
    }
  }
  if (held.length > 0) throw new ImportNotUtf8();
}

/** How many bytes at the end begin a character that goes on in the next part. */
function countIncomplete(bytes: Buffer): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count += 1) {
    const byte = bytes.readUInt8(bytes.length - count);
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > count ? count : 0;
  }
  return 0;
}

function* readableLines(bytes: Buffer): Generator<string> {
  for (let from = 0; ;) {
    const end = bytes.indexOf('\n', from) + 1;
    const line = bytes.subarray(from, end);
    if (end === 0 || !isUtf8(line)) return;
    yield line.toString();
    from = end;
  }
}

const malformed = (line: number, message: string): SentRow => ({
  line,
  fault: { code: 'row_malformed', errors: [{ pointer: '', message }] },
});

async function* readNdjson(text: AsyncIterable<string>): AsyncGenerator<SentRow> {
  let line = 1;
  let rest = '';
  let isTooLong = false;
  const read = (typed: string): SentRow | undefined => {
    const tooLong = isTooLong || typed.length > MAX_ROW_CHARACTERS;
    isTooLong = false;
    if (tooLong) return malformed(line, 'has more than 65536 characters');
    return typed.trim() === '' ? undefined : readJson(line, typed);
  };
  for await (const part of text) {
    const lines = `${rest}${part}`.split('\n');
    rest = lines.pop() ?? '';
    for (const typed of lines) {
      const row = read(typed);
      if (row) yield row;
      line += 1;
    }
    // The rest of a line that is refused anyway need not be held.
    if (rest.length > MAX_ROW_CHARACTERS) [rest, isTooLong] = ['', true];
  }
  const last = read(rest);
  if (last) yield last;
}

function readJson(line: number, typed: string): SentRow {
  try {
    const fields = parseStorableJson(typed);
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields))
      return { line, fields: fields as Record<string, unknown> };
  } catch {
    return malformed(line, 'is not JSON');
  }
  return malformed(line, 'is not a JSON object');
}

/** @throws HeaderInvalid */
function checkHeader(names: string[]): string[] {
  const plain = names.map((name) => name.trim());
  const doubled = plain.find((name, index) => plain.indexOf(name) !== index);
  if (doubled !== undefined) throw new HeaderInvalid(`The column "${doubled}" is there twice`);
  if (plain.includes('')) throw new HeaderInvalid('A column has no name');
  if (!plain.includes('email')) throw new HeaderInvalid('There is no column "email"');
  return plain;
}

interface ParsedRecord {
  info: { lines: number };
  record: Record<string, string>;
}

/**
 * Feeds a parser until there is a fault. It ends what is parsed without destroying it, so that all
 * rows before the fault can still be read.
 * @returns the fault of the text itself
 */
async function feed(
  parser: Parser,
  text: AsyncIterable<string>,
  hasFault: () => boolean,
): Promise<unknown> {
  let isWhole = false;
  try {
    for await (const part of text) {
      isWhole = part.endsWith('\n');
      await new Promise<void>((resolve, reject) =>
        parser.write(part, (error) => (error ? reject(error) : resolve())),
      );
      if (hasFault()) return undefined;
    }
    parser.end();
    return undefined;
  } catch (error) {
    // The parser reads some characters ahead before it ends a row.
    if (isWhole) parser.write('\n\n\n\n');
    return error;
  } finally {
    if (!parser.writableEnded) parser.push(null);
  }
}

/** Behind such an error the parser drops what it holds, and rows would be lost unseen. */
const ENDS_CSV = new Set(['CSV_MAX_RECORD_SIZE', 'CSV_QUOTE_NOT_CLOSED']);

async function* readCsv(text: AsyncIterable<string>): AsyncGenerator<SentRow> {
  const skipped: SentRow[] = [];
  let lastSkipped = 0;
  let hasHeader = false;
  let fault: unknown;
  const parser = parse({
    columns(names: string[]) {
      hasHeader = true;
      return checkHeader(names);
    },
    info: true,
    max_record_size: MAX_ROW_CHARACTERS,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_record: (record: unknown) => (fault === undefined ? record : null),
    on_skip(error) {
      const line = Number(error?.lines ?? 0);
      // Each wrong quote of a row is an error of its own.
      if (fault !== undefined || line === lastSkipped) return;
      lastSkipped = line;
      if (!hasHeader || ENDS_CSV.has(error?.code ?? '')) fault = new CsvMalformed(`${line}`);
      // They wait for the next good row, which may never come.
      else if (skipped.length >= MAX_ROWS) fault = new TooManyRows();
      else skipped.push(malformed(line, 'does not have the fields of the header'));
    },
  });
  const fed = feed(parser, text, () => fault !== undefined);
  for await (const { info, record } of parser as AsyncIterable<ParsedRecord>) {
    yield* skipped.splice(0);
    const fields = Object.entries(record).map(([name, field]) => [name, parseCsvField(field)]);
    yield fields.some(([, value]) => value?.includes('\0'))
      ? malformed(info.lines, 'has a NUL character')
      : { line: info.lines, fields: Object.fromEntries(fields) as Record<string, string> };
  }
  yield* skipped.splice(0);
  fault ??= await fed;
  if (fault !== undefined) throw fault;
}
