import type { Kysely } from 'kysely';
import { leafHash } from '@muniment/audit-verify';
import { listMonth, type ArchivedRow, type MonthContent } from './archive-queries.ts';
import type { StoredCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import type { Tree } from '../proofs/tree/tree.ts';
import type { Tables } from '../tables.ts';

const PAGE = 1_000;

/**
 * A row's line in an archive: as in an export, with the ciphertext beside the leaf instead of the
 * values.
 */
function rowLine({ index, record, key_id, nonce, ciphertext }: ArchivedRow): string {
  const sealed =
    key_id === null || nonce === null || ciphertext === null ? null : { key_id, nonce, ciphertext };
  const hash = leafHash(Buffer.from(record)).toString('base64');
  const place = `"index":${index},"hash":"${hash}"`;
  const personal = `"personal":null,"sealed_personal":${JSON.stringify(sealed)}`;
  return `{"event":${record},${place},${personal}}\n`;
}

/** Parses a row's line. @returns undefined for the header, a gap and the end */
export function readRowLine(line: string): ArchivedRow | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  const end = line.lastIndexOf(',"index":');
  const { index, sealed_personal: sealed } = JSON.parse(`{${line.slice(end + 1)}`) as {
    index: number;
    sealed_personal: Pick<ArchivedRow, 'key_id' | 'nonce' | 'ciphertext'> | null;
  };
  return {
    index,
    record: line.slice('{"event":'.length, end),
    key_id: sealed?.key_id ?? null,
    nonce: sealed?.nonce ?? null,
    ciphertext: sealed?.ciphertext ?? null,
  };
}

export interface ArchiveSource {
  db: Kysely<Tables>;
  tree: Pick<Tree, 'hashRange'>;
  /** Called between pages, to renew a lease. */
  onPage(): Promise<void>;
}

/**
 * The lines of a month's archive, page by page: an export of the trail that any verifier accepts.
 */
export async function* archiveLines(
  { db, tree, onPage }: ArchiveSource,
  month: string,
  content: MonthContent,
  { note, size }: StoredCheckpoint,
): AsyncGenerator<string> {
  const gap = async (from: number, to: number): Promise<string> => {
    const hashes = await tree.hashRange(from, to);
    const encoded = hashes.map((hash) => hash.toString('base64'));
    return `${JSON.stringify({ gap: [from, to], hashes: encoded })}\n`;
  };
  const header = { muniment_export: 1, checkpoint: note, filter: { month }, after: null };
  yield `${JSON.stringify(header)}\n`;
  let next = 0;
  let rows = 0;
  while (content.last_index !== null) {
    const page = await listMonth(db, month, {
      after: next - 1,
      last: content.last_index,
      limit: PAGE,
    });
    let text = '';
    for (const row of page) {
      if (row.index > next) text += await gap(next, row.index);
      text += rowLine(row);
      next = row.index + 1;
    }
    rows += page.length;
    if (text !== '') yield text;
    if (page.length < PAGE) break;
    await onPage();
  }
  if (next < size) yield await gap(next, size);
  yield `${JSON.stringify({ end: { rows, next_cursor: null } })}\n`;
}
