// Records are canonical JSON (RFC 8785), so `personal` stands between metadata and scalars. Quotes
// in strings are escaped: the last occurrence of the key is the event's own, as metadata lies
// before.
const PERSONAL_KEY = ',"personal":';
const NEXT_KEY = ',"request_id":';
const COMMITMENT_KEY = '{"commitment":"';

/** Only scalars stand before it, so its first occurrence is the event's own. */
export const METADATA_KEY = ',"metadata":{';

/** Where the personal block lies in a record: `record.slice(at, end)` is the block with its key. */
export function findPersonalPart(record: string): { at: number; end: number } {
  const at = record.lastIndexOf(PERSONAL_KEY);
  return { at, end: record.indexOf(NEXT_KEY, at) };
}

/** The commitment in a record; undefined where it has no personal block. */
export function parseCommitment(record: string): string | undefined {
  const from = record.lastIndexOf(PERSONAL_KEY) + PERSONAL_KEY.length;
  if (!record.startsWith(COMMITMENT_KEY, from)) return undefined;
  const start = from + COMMITMENT_KEY.length;
  return record.slice(start, record.indexOf('"', start));
}
