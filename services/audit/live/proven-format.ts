import { Type } from 'typebox';
import { nullable } from '@muniment/server';
import { formatRow } from '../export/ndjson.ts';
import { openRows, type RowSource } from '../export/stream-rows.ts';
import type { ExportStart, LeafRanges } from '../export/format.ts';
import type { Visibility } from '../trail/readers/visibility.ts';
import { formatEvent, formatGap, formatNotice } from './event-source.ts';
import {
  formatCheckpoint,
  type MatchValues,
  type PersonalFields,
  type StreamFormat,
} from './stream-format.ts';

const hashesSchema = Type.Array(Type.String(), {
  description: 'base64; the roots of complete subtrees, in order.',
});

/** The first event of a stream with proofs. */
export const openingSchema = Type.Object({
  muniment_stream: Type.Literal(1),
  filter: nullable(
    Type.Object({}, { additionalProperties: true, description: 'Null: every entry is sent.' }),
  ),
  after: Type.Integer({ minimum: -1, description: 'The stream begins behind this index.' }),
  hashes: hashesSchema,
});

/** An entry of such a stream, as an export has it. */
export const provenRowSchema = Type.Object({
  event: Type.Object(
    {},
    { additionalProperties: true, description: 'The sealed record. Its bytes are the leaf.' },
  ),
  index: Type.Integer({ minimum: 0 }),
  hash: Type.String({ description: 'base64 of SHA-256(0x00 and the record).' }),
  personal: nullable(
    Type.Object(
      { salt: Type.String(), values: Type.String({ description: 'JSON.' }) },
      { description: 'The values that `event.personal.commitment` commits to.' },
    ),
  ),
});

export const gapSchema = Type.Object({
  gap: Type.Array(Type.Integer({ minimum: 0 }), {
    minItems: 2,
    maxItems: 2,
    description: 'The first index that is left out, and the next that is not.',
  }),
  hashes: hashesSchema,
});

export interface ProvenFormatOptions {
  source: RowSource;
  tree: LeafRanges;
  visibility: Visibility;
  matches: MatchValues | undefined;
  /** What narrows the stream; null: nothing does. */
  filter: ExportStart['filter'];
  /** The position behind which it begins. */
  start: number;
}

/**
 * The rows and gaps of an export, as events. From the hashes of the opening on, a verifier grows
 * the tree and compares its root with each checkpoint.
 */
export function createProvenFormat(options: ProvenFormatOptions): StreamFormat {
  const { source, tree, visibility, matches, filter, start } = options;
  /** The entries below this index were written or left out. */
  let covered = start + 1;

  async function hashRange(from: number, to: number): Promise<string[]> {
    const hashes = await tree.hashRange(from, to);
    return hashes.map((hash) => Buffer.from(hash).toString('base64'));
  }

  async function gap(from: number, to: number): Promise<string> {
    if (from >= to) return '';
    return formatGap(to - 1, { gap: [from, to], hashes: await hashRange(from, to) });
  }

  return {
    async open() {
      const hashes = await hashRange(0, covered);
      return formatNotice('opening', { muniment_stream: 1, filter, after: start, hashes });
    },
    async events(events) {
      let text = '';
      let end = covered;
      for (const row of await openRows(source, visibility, events)) {
        const values = JSON.parse(row.personal?.values ?? '{}') as PersonalFields;
        if (matches && !matches(values)) continue;
        text += await gap(end, row.index);
        text += formatEvent(row.index, formatRow(row));
        end = row.index + 1;
      }
      // Only now: after a failure the same events come again.
      covered = end;
      return text;
    },
    async skipTo(position) {
      const text = await gap(covered, position + 1);
      covered = Math.max(covered, position + 1);
      return text;
    },
    async checkpoint(signed) {
      // A stream that resumes behind the newest checkpoint waits for the next one.
      if (signed.size < covered) return '';
      const text = await gap(covered, signed.size);
      covered = signed.size;
      return `${text}${formatCheckpoint(signed)}`;
    },
  };
}
