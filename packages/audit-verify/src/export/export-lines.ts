import { subtreeHeights } from '../log/compact-range.ts';
import { decodeBase64 } from '../log/base64.ts';
import { HASH_BYTES } from '../log/merkle.ts';

// Each line is accepted in one spelling only. Another JSON reader could read a member that stands
// twice differently from what was proven.

export interface Header {
  checkpoint: string;
  /** Null: all rows. */
  filter: unknown;
  /** Index of the last row of the previous part. */
  after: number | null;
}

export interface Row {
  /** What is hashed as the leaf: 0x00 and the record. Valid until the next line. */
  leaf: Buffer;
  /** The record, each byte a character. */
  record: string;
  index: number;
  /** base64 */
  hash: string;
  personal: { salt: Buffer; values: Buffer } | null;
}

export interface Gap {
  from: number;
  /** Exclusive. */
  to: number;
  subtrees: { root: Buffer; height: number }[];
}

export interface End {
  rows: number;
  nextCursor: string | null;
}

const ROW = '{"event":';
const INDEX = ',"index":';
const RECORD_AT = ROW.length;
// Archives have `sealed_personal`, the ciphertext of the values.
const TAIL =
  /^,"index":(0|[1-9][0-9]{0,15}),"hash":"([A-Za-z0-9+/]{43}=)","personal":(null|\{"salt":"([A-Za-z0-9+/=]+)","values":("(?:[^"\\]|\\.)*")\})(?:,"sealed_personal":(?:null|\{"key_id":"[^"\\]*","nonce":"[^"\\]*","ciphertext":"[^"\\]*"\}))?\}$/s;

export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

export type LineKind = 'row' | 'gap' | 'end' | 'other';

export function kindOf(buffer: Buffer, from: number, to: number): LineKind {
  // Rows are nearly all, and no other line has a `v` there.
  if (buffer[from + 3] === 0x76)
    return buffer.toString('latin1', from, Math.min(to, from + RECORD_AT)) === ROW
      ? 'row'
      : 'other';
  const begins = buffer.toString('latin1', from, Math.min(to, from + 7));
  if (begins.startsWith('{"gap":')) return 'gap';
  return begins.startsWith('{"end":') ? 'end' : 'other';
}

/** Parses a row; undefined for other lines. Overwrites the byte before the record with 0x00. */
export function readRow(buffer: Buffer, from: number, to: number): Row | undefined {
  const text = buffer.toString('latin1', from, to);
  const recordEnd = text.lastIndexOf(INDEX);
  if (recordEnd < RECORD_AT) return undefined;
  const tail = TAIL.exec(text.slice(recordEnd));
  if (!tail) return undefined;
  const index = Number(tail[1]);
  if (!isCount(index)) return undefined;
  const personal =
    tail[4] === undefined ? null : readPersonal(buffer.toString('utf8', from + recordEnd, to));
  if (personal === undefined) return undefined;
  buffer[from + RECORD_AT - 1] = 0x00;
  return {
    leaf: buffer.subarray(from + RECORD_AT - 1, from + recordEnd),
    record: text.slice(RECORD_AT, recordEnd),
    index,
    hash: tail[2] as string,
    personal,
  };
}

function readPersonal(tail: string): Row['personal'] | undefined {
  const [, , , , base64, json] = TAIL.exec(tail) ?? [];
  const salt = decodeBase64(base64 ?? '');
  const values = parse(json ?? '');
  return salt && typeof values === 'string' ? { salt, values: Buffer.from(values) } : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The value of a line in its one spelling; undefined for another. */
export function parseLine(buffer: Buffer, from: number, to: number): unknown {
  const text = buffer.toString('utf8', from, to);
  const value = parse(text);
  return JSON.stringify(value) === text && Buffer.byteLength(text) === to - from
    ? value
    : undefined;
}

export const hasMembers = <Name extends string>(
  value: unknown,
  ...names: Name[]
): value is Record<Name, unknown> =>
  typeof value === 'object' && value !== null && Object.keys(value).join() === names.join();

/** @returns undefined for what is no header of an export */
export function readHeader(buffer: Buffer, from: number, to: number): Header | undefined {
  const value = parseLine(buffer, from, to);
  if (!hasMembers(value, 'muniment_export', 'checkpoint', 'filter', 'after')) return undefined;
  const { muniment_export: version, checkpoint, filter, after } = value;
  if (
    version !== 1 ||
    typeof checkpoint !== 'string' ||
    typeof filter !== 'object' ||
    !(after === null || isCount(after))
  )
    return undefined;
  return { checkpoint, filter, after };
}

export function readGap(buffer: Buffer, from: number, to: number): Gap | undefined {
  const value = parseLine(buffer, from, to);
  if (
    !hasMembers(value, 'gap', 'hashes') ||
    !Array.isArray(value.gap) ||
    !Array.isArray(value.hashes) ||
    value.gap.length !== 2
  )
    return undefined;
  const [first, end] = value.gap as unknown[];
  if (!isCount(first) || !isCount(end) || first >= end) return undefined;
  const heights = subtreeHeights(first, end);
  const roots = value.hashes.map((hash: unknown) =>
    typeof hash === 'string' ? decodeBase64(hash) : undefined,
  );
  if (roots.length !== heights.length || !roots.every((root) => root?.length === HASH_BYTES))
    return undefined;
  return {
    from: first,
    to: end,
    subtrees: heights.map((height, n) => ({ root: roots[n] as Buffer, height })),
  };
}

export function readEnd(buffer: Buffer, from: number, to: number): End | undefined {
  const value = parseLine(buffer, from, to);
  if (!hasMembers(value, 'end') || !hasMembers(value.end, 'rows', 'next_cursor')) return undefined;
  const { rows, next_cursor: nextCursor } = value.end;
  return isCount(rows) && (nextCursor === null || typeof nextCursor === 'string')
    ? { rows, nextCursor }
    : undefined;
}

// In canonical key order (RFC 8785) only scalars follow `personal`, and quotes in strings are escaped.
// So the last `personal` is the event's own, and the others are the first ones after it.
const PERSONAL = ',"personal":';
const COMMITMENT = '{"commitment":"';
const LANE = ',"lane":';
const SEQ = ',"seq":';
const SOURCE = ',"source":"';

/** What a record states; undefined for an unknown version. */
export interface EventFacts {
  /** base64; null when the event has no personal values */
  commitment: string | null;
  /** `source/lane` */
  lane: string;
  seq: number;
}

export function factsOf(record: string): EventFacts | undefined {
  const personalAt = record.lastIndexOf(PERSONAL);
  const laneAt = record.indexOf(LANE) + LANE.length;
  const seqAt = record.indexOf(SEQ, personalAt) + SEQ.length;
  const sourceAt = record.indexOf(SOURCE, seqAt) + SOURCE.length;
  if (personalAt < 0 || laneAt < LANE.length || seqAt < SEQ.length || sourceAt < SOURCE.length)
    return undefined;
  const seq = Number(record.slice(seqAt, record.indexOf(',', seqAt)));
  if (!isCount(seq)) return undefined;
  const valueAt = personalAt + PERSONAL.length;
  const lane = `${record.slice(sourceAt, record.indexOf('"', sourceAt))}/${record.slice(laneAt, record.indexOf(',', laneAt))}`;
  if (record.startsWith('null', valueAt)) return { commitment: null, lane, seq };
  if (!record.startsWith(COMMITMENT, valueAt)) return undefined;
  return {
    commitment: record.slice(
      valueAt + COMMITMENT.length,
      record.indexOf('"', valueAt + COMMITMENT.length),
    ),
    lane,
    seq,
  };
}
