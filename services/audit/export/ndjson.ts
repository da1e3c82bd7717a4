import { leafHash } from '@muniment/audit-verify';
import type { ExportFormat, ExportRow } from './format.ts';

function line({ record, index, personal }: ExportRow): string {
  const opened = personal && { salt: personal.salt.toString('base64'), values: personal.values };
  return `{"event":${record},"index":${index},"hash":"${leafHash(Buffer.from(record)).toString('base64')}","personal":${JSON.stringify(opened)}}\n`;
}

/**
 * One JSON text a line with all that a verifier needs: a header with the signed checkpoint; each row's leaf byte for byte, between `{"event":` and the
 * last `,"index":`; for leaves that are not rows here, the hashes of their subtrees; an end. Rows and gaps cover the checkpoint's tree exactly.
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
        text += line(row);
        covered = row.index + 1;
      }
      count += batch.length;
      yield text;
    }
    const last = covered - 1;
    yield `${await gap(size)}${JSON.stringify({ end: { rows: count, next_cursor: rows.more ? cursorAt(last) : null } })}\n`;
  },
};
