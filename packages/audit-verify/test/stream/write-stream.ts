import { createCompactRange } from '../../src/index.ts';
import {
  checkpointNote,
  gapLine,
  hashesOf,
  rowLine,
  type TestRow,
  type TestSigner,
} from '../export/write-export.ts';

const event = (name: string, data: string, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${data}\n\n`;

export const endEvent = (reason: string): string =>
  event('end', JSON.stringify({ reason, message: 'It ends.' }));

/** Writes the events of a stream with proofs about a log of these rows. */
export function streamWriter(rows: readonly TestRow[], signer: TestSigner) {
  const hashes = hashesOf(rows);
  const row = (index: number, line = rowLine(rows[index] as TestRow, index)): string =>
    event('audit', line, index);
  return {
    row,
    rows: (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, n) => row(from + n)),
    gap: (from: number, to: number): string => event('gap', gapLine(hashes, from, to), to - 1),
    opening(after: number, filter: object | null = null): string {
      const tree = createCompactRange();
      for (const hash of hashes.slice(0, after + 1)) tree.append(hash);
      const peaks = tree.peaks().map((peak) => Buffer.from(peak).toString('base64'));
      return event('opening', JSON.stringify({ muniment_stream: 1, filter, after, hashes: peaks }));
    },
    checkpoint(size: number): string {
      const note = checkpointNote(hashes.slice(0, size), signer);
      return event('checkpoint', JSON.stringify({ size, note }));
    },
  };
}
