import { decodeBase64 } from '../log/base64.ts';
import { createCompactRange, type CompactRange } from '../log/compact-range.ts';
import { HASH_BYTES } from '../log/merkle.ts';
import { hasMembers, isCount, parseLine } from '../export/export-lines.ts';

/** How a connection begins: behind which index, in which tree, narrowed by what. */
export interface Opening {
  after: number;
  /** Null: nothing narrows it. */
  filter: unknown;
  /** Of the entries up to `after`. */
  tree: CompactRange;
}

/** @returns undefined for what opens no stream with proofs */
export function readOpening(data: Buffer): Opening | undefined {
  const value = parseLine(data, 0, data.length);
  if (!hasMembers(value, 'muniment_stream', 'filter', 'after', 'hashes')) return undefined;
  const { muniment_stream: version, filter, after, hashes } = value;
  if (version !== 1 || typeof filter !== 'object' || !Array.isArray(hashes)) return undefined;
  if (after !== -1 && !isCount(after)) return undefined;
  const peaks = hashes.map((hash: unknown) =>
    typeof hash === 'string' ? decodeBase64(hash) : undefined,
  );
  if (!peaks.every((peak) => peak?.length === HASH_BYTES)) return undefined;
  try {
    return { after, filter, tree: createCompactRange(after + 1, peaks as Buffer[]) };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The note of a checkpoint; undefined for another form. */
export function readCheckpoint(data: Buffer): string | undefined {
  const value = parseLine(data, 0, data.length);
  return hasMembers(value, 'size', 'note') && typeof value.note === 'string'
    ? value.note
    : undefined;
}

/** Why the server ended the stream; undefined for another form. */
export function readEnd(data: Buffer): string | undefined {
  const value = parseLine(data, 0, data.length);
  return hasMembers(value, 'reason', 'message') && typeof value.reason === 'string'
    ? value.reason
    : undefined;
}
