import { leafHash } from '@muniment/audit-verify';
import type { ExportFormat, ExportRow } from './format.ts';

/** A row whose `event` is its leaf byte for byte. */
export function formatRow({ record, index, personal }: ExportRow): string {
  const opened = personal && { salt: personal.salt.toString('base64'), values: personal.values };
  const hash = leafHash(Buffer.from(record)).toString('base64');
  const rest = `"index":${index},"hash":"${hash}","personal":${JSON.stringify(opened)}`;
  return `{"event":${record},${rest}}`;
}

/**
 * JSON lines for a verifier. A header with the signed checkpoint, rows, gaps, and an end. A row
 * holds its leaf byte for byte; a gap holds the hashes of left-out subtrees. Both cover the tree
 * exactly.
 */
export const ndjson: ExportFormat = {
  mediaType: 'application/x-ndjson',
  extension: 'ndjson',
  async *write({ checkpoint: { note, size }, filter, after, tree }, rows, cursorAt) {
    let covered = 0;
    let count = 0;
    async function gap(to: number): Promise<string> {
      if (to === covered) return '';
      const hashes = (await tree.hashRange(covered, to)).map((hash) =>
        Buffer.from(hash).toString('base64'),
      );
      const text = `${JSON.stringify({ gap: [covered, to], hashes })}\n`;
      covered = to;
      return text;
    }
    yield `${JSON.stringify({ muniment_export: 1, checkpoint: note, filter, after })}\n`;
    for await (const batch of rows) {
      let text = '';
      for (const row of batch) {
        if (row.index !== covered) text += await gap(row.index);
        text += `${formatRow(row)}\n`;
        covered = row.index + 1;
      }
      count += batch.length;
      yield text;
    }
    const last = covered - 1;
    const end = { rows: count, next_cursor: rows.more ? cursorAt(last) : null };
    yield `${await gap(size)}${JSON.stringify({ end })}\n`;
  },
};
