import { openCommitted } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import { parseCommitment, findPersonalPart } from '../trail/log-entry.ts';
import { listByIndex, type LoggedEvent, type LogQuery } from '../trail/log-queries.ts';
import { seesPersonal, type Visibility } from '../trail/visibility.ts';
import type { ExportRow, ExportRows } from './format.ts';

type Reading = Pick<AuditContext, 'db' | 'subjectKeys'>;

/** Rows of a batch: about a quarter of a megabyte, and 5 ms in which no other request is answered. */
const BATCH = 250;
/** A filter that few entries pass is looked for in ever larger pieces of the log, as long as a piece takes less than this. */
const PIECE_MS = 250;
const LEAST_PIECE = 4 * BATCH;
const LARGEST_PIECE = 200_000;

async function openRows(
  { db, subjectKeys }: Reading,
  visibility: Visibility,
  events: readonly LoggedEvent[],
): Promise<ExportRow[]> {
  const seen = (
    subject: string | null,
    keyId: string | null,
  ): { subject: string; key_id: string } | undefined =>
    subject !== null && keyId !== null && seesPersonal(visibility, subject)
      ? { subject, key_id: keyId }
      : undefined;
  const keys = await subjectKeys.forBlocks(
    db,
    events.flatMap(({ subject, personal_key_id: keyId }) => seen(subject, keyId) ?? []),
  );
  return events.map((event) => {
    const block = seen(event.subject, event.personal_key_id);
    const key = block && keys.of(block);
    const commitment = parseCommitment(event.record, findPersonalPart(event.record).at);
    const { personal_nonce: nonce, personal_ciphertext: ciphertext } = event;
    if (!block || !key || commitment === undefined || nonce === null || ciphertext === null)
      return { ...event, personal: null };
    try {
      return {
        ...event,
        personal: openCommitted(event.id, { ...block, commitment, nonce, ciphertext }, key),
      };
    } catch {
      // A block that was tampered with; the row and its commitment are still the log's.
      return { ...event, personal: null };
    }
  });
}

/**
 * The matching entries of [from, to), at most `limit`, in batches. Each batch is a statement of its own: the log only grows, so entries below `to` are a
 * consistent view without a transaction that stands open for minutes. The next batch is read while one is written.
 */
export function streamRows(
  reading: Reading,
  query: LogQuery,
  { from, to, limit }: { from: number; to: number; limit: number },
): ExportRows {
  let more = false;
  let position = from;
  let piece = LEAST_PIECE;

  async function next(wanted: number): Promise<ExportRow[]> {
    const end = Math.min(to, position + piece);
    const begun = performance.now();
    const events = await listByIndex(reading.db, query, { from: position, to: end, limit: wanted });
    const took = performance.now() - begun;
    position = events.length === wanted ? (events.at(-1)?.index ?? end - 1) + 1 : end;
    if (took > PIECE_MS) piece = Math.max(LEAST_PIECE, Math.floor(piece / 2));
    else if (events.length < wanted / 2 && took < PIECE_MS / 2)
      piece = Math.min(LARGEST_PIECE, piece * 2);
    return openRows(reading, query.visibility, events);
  }

  return {
    get more() {
      return more;
    },
    async *[Symbol.asyncIterator]() {
      let left = limit;
      // One more than is wanted tells whether there is a next part.
      const ask = (): Promise<ExportRow[]> => next(Math.min(BATCH, left + 1));
      let coming = position < to ? ask() : undefined;
      while (coming) {
        const rows = await coming;
        more = rows.length > left;
        const batch = more ? rows.slice(0, left) : rows;
        left -= batch.length;
        coming = position < to && !more ? ask() : undefined;
        // Whoever stops reading never waits for it; a rejection must still have a listener.
        coming?.catch(() => {});
        yield batch;
      }
    },
  };
}
