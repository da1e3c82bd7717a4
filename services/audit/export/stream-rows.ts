import type { Kysely } from 'kysely';
import { openCommitted, type SubjectKey, type SubjectKeys } from '@muniment/audit-events';
import type { Tables } from '../tables.ts';
import { listByIndex, type LoggedEvent } from '../trail/log-queries.ts';
import type { LogQuery } from '../trail/log-query.ts';
import { findBlock } from '../trail/log-resource.ts';
import { parseCommitment } from '../trail/record-text.ts';
import type { Visibility } from '../trail/readers/visibility.ts';
import type { ExportRow, ExportRows } from './format.ts';

export interface RowSource {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
}

/** About a quarter of a megabyte, and 5 ms in which no other request is answered. */
const BATCH_SIZE = 250;
/**
 * Pieces of the log grow while a statement is faster than this, so that rare entries are found
 * soon.
 */
const PIECE_MS = 250;
const MIN_PIECE_SIZE = 4 * BATCH_SIZE;
const MAX_PIECE_SIZE = 200_000;

/**
 * The matching entries of [from, to), at most `limit`, in batches. Each batch is a statement of its
 * own: entries below `to` never change. The next batch is read while one is written.
 */
export function streamRows(
  source: RowSource,
  query: LogQuery,
  range: { from: number; to: number; limit: number },
): ExportRows {
  const reader = createPieceReader(source, query, range);
  let more = false;
  return {
    get more() {
      return more;
    },
    async *[Symbol.asyncIterator]() {
      let left = range.limit;
      // One row beyond the limit tells whether there is a next part.
      const readNext = () => reader.read(Math.min(BATCH_SIZE, left + 1));
      let pending = reader.isAtEnd() ? undefined : readNext();
      while (pending) {
        const rows = await pending;
        more = rows.length > left;
        const batch = more ? rows.slice(0, left) : rows;
        left -= batch.length;
        pending = reader.isAtEnd() || more ? undefined : readNext();
        // A caller that stops never awaits it, and its rejection still needs a listener.
        pending?.catch(() => {});
        yield batch;
      }
    },
  };
}

/** Reads on from position to position, in pieces of the log that adapt to the filter. */
function createPieceReader(
  source: RowSource,
  query: LogQuery,
  { from, to }: { from: number; to: number },
): { read(limit: number): Promise<ExportRow[]>; isAtEnd(): boolean } {
  let position = from;
  let pieceSize = MIN_PIECE_SIZE;

  function adaptPiece(tookMs: number, isSparse: boolean): void {
    if (tookMs > PIECE_MS) pieceSize = Math.max(MIN_PIECE_SIZE, Math.floor(pieceSize / 2));
    else if (isSparse && tookMs < PIECE_MS / 2) pieceSize = Math.min(MAX_PIECE_SIZE, pieceSize * 2);
  }

  return {
    isAtEnd: () => position >= to,
    async read(limit) {
      const end = Math.min(to, position + pieceSize);
      const startedAt = performance.now();
      const events = await listByIndex(source.db, query, { from: position, to: end, limit });
      adaptPiece(performance.now() - startedAt, events.length < limit / 2);
      position = events.length === limit ? (events.at(-1)?.index ?? end - 1) + 1 : end;
      return openRows(source, query.visibility, events);
    },
  };
}

/** The events with the personal values that the reader may see and whose key exists. */
export async function openRows(
  { db, subjectKeys }: RowSource,
  visibility: Visibility,
  events: readonly LoggedEvent[],
): Promise<ExportRow[]> {
  const blocks = events.flatMap((event) => findBlock(event, visibility) ?? []);
  const keys = await subjectKeys.forBlocks(db, blocks);
  return events.map((event) => {
    const block = findBlock(event, visibility);
    const key = block && keys.of(block);
    return { ...event, personal: block && key ? openPersonalValues(event, block, key) : null };
  });
}

function openPersonalValues(
  event: LoggedEvent,
  block: { subject: string; key_id: string },
  key: SubjectKey,
): ExportRow['personal'] {
  const { personal_nonce: nonce, personal_ciphertext: ciphertext } = event;
  const commitment = parseCommitment(event.record);
  if (commitment === undefined || nonce === null || ciphertext === null) return null;
  try {
    return openCommitted(event.id, { ...block, commitment, nonce, ciphertext }, key);
  } catch {
    // The block was tampered with. The row and its commitment are still the log's.
    return null;
  }
}
