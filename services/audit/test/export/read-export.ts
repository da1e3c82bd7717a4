import { hash } from 'node:crypto';
import {
  createCompactRange,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  subtreeHeights,
} from '@muniment/audit-verify';

export interface ReadExport {
  filter: unknown;
  after: number | null;
  size: number;
  rows: { index: number; event: Record<string, unknown>; values: Record<string, unknown> | null }[];
  next: string | null;
}

/**
 * Reads an ndjson export as the contract states it, and checks it against its own signed
 * checkpoint: leaves by their bytes, gaps by their subtrees.
 * @throws where anything of it is not so
 */
export function readExport(text: string, verifierKey: string): ReadExport {
  if (!text.endsWith('\n')) throw new Error('the export is cut off');
  const [head = '', ...lines] = text.slice(0, -1).split('\n');
  const header = JSON.parse(head) as {
    muniment_export: number;
    checkpoint: string;
    filter: unknown;
    after: number | null;
  };
  const { size, root } = openCheckpoint(header.checkpoint, [parseVerifierKey(verifierKey)]);
  const tree = createCompactRange();
  const rows: ReadExport['rows'] = [];
  const { end } = JSON.parse(lines.pop() ?? '') as {
    end: { rows: number; next_cursor: string | null };
  };
  for (const line of lines) {
    if (line.startsWith('{"gap":')) {
      const {
        gap: [from, to],
        hashes,
      } = JSON.parse(line) as { gap: [number, number]; hashes: string[] };
      if (from !== tree.size) throw new Error(`a gap begins at ${from}, not at ${tree.size}`);
      const heights = subtreeHeights(from, to);
      if (heights.length !== hashes.length)
        throw new Error('a gap has not the least number of subtrees');
      for (const [at, height] of heights.entries())
        tree.appendSubtree(Buffer.from(hashes[at] ?? '', 'base64'), height);
      continue;
    }
    const leaf = line.slice('{"event":'.length, line.lastIndexOf(',"index":'));
    const row = JSON.parse(line) as {
      event: { personal: { commitment: string } | null };
      index: number;
      hash: string;
      personal: { salt: string; values: string } | null;
    };
    if (row.index !== tree.size)
      throw new Error(`row ${row.index} stands where ${tree.size} belongs`);
    const hashed = leafHash(Buffer.from(leaf));
    if (hashed.toString('base64') !== row.hash) throw new Error('the hash is another');
    if (
      row.personal &&
      hash(
        'sha256',
        Buffer.concat([Buffer.from(row.personal.salt, 'base64'), Buffer.from(row.personal.values)]),
        'base64',
      ) !== row.event.personal?.commitment
    )
      throw new Error('the values are not those committed to');
    tree.append(hashed);
    rows.push({
      index: row.index,
      event: row.event,
      values: row.personal && (JSON.parse(row.personal.values) as Record<string, unknown>),
    });
  }
  if (tree.size !== size || !tree.root().equals(root))
    throw new Error('rows and gaps are not the tree of the checkpoint');
  if (end.rows !== rows.length) throw new Error('the end counts other rows');
  return { filter: header.filter, after: header.after, size, rows, next: end.next_cursor };
}
