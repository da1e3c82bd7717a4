import { LRUCache } from 'lru-cache';
import { Type, type TSchema } from 'typebox';
import { openPersonal, type PersonalValues, type SubjectKey } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import type { LoggedEvent } from './log-queries.ts';
import { seesPersonal, type Visibility } from './visibility.ts';

const nullable = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()]);
const text = () => nullable(Type.String());

/**
 * An entry of the trail as it is answered. `index` is its leaf in the Merkle log. `email`, `ip`, `user_agent` are null where the reader may not see
 * them and once the subject is erased.
 */
export const logEntrySchema = Type.Object(
  {
    index: Type.Integer(),
    id: Type.String({ format: 'uuid' }),
    user_id: nullable(Type.String({ format: 'uuid' })),
    action: Type.String(),
    outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')]),
    resource: text(),
    resource_type: text(),
    ip: text(),
    user_agent: text(),
    email: text(),
    metadata: Type.Record(Type.String(), Type.Unknown()),
    error: text(),
    session_id: nullable(Type.String({ format: 'uuid' })),
    request_id: Type.String(),
    traceparent: text(),
    tenant_id: text(),
    source: Type.String(),
    lane: Type.Integer(),
    seq: Type.Integer(),
    timestamp: Type.String({ format: 'date-time' }),
    version: Type.Integer(),
  },
  { additionalProperties: false },
);

/** The schema of what is answered, for a handler that has it as text already: Fastify sends text of a JSON type as it is. */
export const jsonText = (schema: TSchema) => Type.Unsafe<string>(schema);

// In the canonical order of keys (RFC 8785) `personal` stands between metadata and scalars. Inside a string these quotes would be
// escaped, and metadata lies before, so the last occurrence is the event's own.
const PERSONAL_KEY = ',"personal":';
const NEXT_KEY = ',"request_id":';
// Before it stand only scalars, whose quotes are escaped: the first occurrence is the event's own.
const METADATA_KEY = ',"metadata":{';
const COMMITMENT_KEY = '{"commitment":"';

const json = (value: unknown): string => JSON.stringify(value ?? null);

/** Personal values as they stand in an entry. */
interface PersonalText {
  /** The three that every event has. */
  own: string;
  /** Those beyond (a file's name, what a caller marked), for the metadata; empty when there are none. */
  marked: string;
}

function personalText({
  email,
  ip,
  user_agent: userAgent,
  ...marked
}: PersonalValues): PersonalText {
  return {
    own: `"email":${json(email)},"ip":${json(ip)},"user_agent":${json(userAgent)}`,
    marked: JSON.stringify(marked).slice(1, -1),
  };
}

const NONE = personalText({});

/** Where in a record the personal block lies: `record.slice(at, end)` is it with its key. */
export function findPersonalPart(record: string): { at: number; end: number } {
  const at = record.lastIndexOf(PERSONAL_KEY);
  return { at, end: record.indexOf(NEXT_KEY, at) };
}

/** The commitment in a record; undefined where it has no personal block. */
export function parseCommitment(record: string, at: number): string | undefined {
  const from = at + PERSONAL_KEY.length;
  return record.startsWith(COMMITMENT_KEY, from)
    ? record.slice(from + COMMITMENT_KEY.length, record.indexOf('"', from + COMMITMENT_KEY.length))
    : undefined;
}

/**
 * An entry as JSON: the stored canonical text with the personal values in the place of their commitment. Parsing 50 records and
 * serialising them again would cost more than all the rest of the request.
 */
function renderEntry(
  index: number,
  record: string,
  { at, end }: { at: number; end: number },
  { own, marked }: PersonalText,
): string {
  if (marked === '') return `{"index":${index},${record.slice(1, at)},${own}${record.slice(end)}`;
  const metadataAt = record.indexOf(METADATA_KEY) + METADATA_KEY.length;
  const comma = record[metadataAt] === '}' ? '' : ',';
  return `{"index":${index},${record.slice(1, metadataAt)}${marked}${comma}${record.slice(metadataAt, at)},${own}${record.slice(end)}`;
}

/** Characters; an event's marked values may be thousands of them. */
const OPENED_MAX_SIZE = 8 * 1024 * 1024;
/**
 * What was opened, by event, and with which key object. It counts only while the ring of subject keys hands out that very object: an erasure
 * drops the key there, at once or after a minute at the latest, and with it all that was opened by it. Opening costs 8 µs, a page of 50 had 0.4 ms of it.
 */
const openedBefore = new LRUCache<string, { key: SubjectKey; text: PersonalText }>({
  maxSize: OPENED_MAX_SIZE,
  // With what the entry itself takes.
  sizeCalculation: ({ text }) => text.own.length + text.marked.length + 200,
});

/** A block that was tampered with must not take the rest of the page away; the commitment in the record still tells what was there. */
function opened(event: LoggedEvent, at: number, key: SubjectKey): PersonalText {
  const known = openedBefore.get(event.id);
  if (known?.key === key) return known.text;
  const { personal_key_id: key_id, personal_nonce: nonce, personal_ciphertext: ciphertext } = event;
  const commitment = parseCommitment(event.record, at);
  if (key_id === null || nonce === null || ciphertext === null || commitment === undefined)
    return NONE;
  try {
    const text = personalText(
      openPersonal(event.id, { subject: key.subject, key_id, commitment, nonce, ciphertext }, key),
    );
    openedBefore.set(event.id, { key, text });
    return text;
  } catch {
    return NONE;
  }
}

/**
 * Renders events as a reader may see them: personal values are opened where the reader may see them and where the key still exists.
 * @returns one JSON text per event, in the shape of `logEntrySchema`
 */
export async function renderEntries(
  { db, subjectKeys }: Pick<AuditContext, 'db' | 'subjectKeys'>,
  visibility: Visibility,
  events: readonly LoggedEvent[],
): Promise<string[]> {
  const blocks = events.flatMap(({ personal_key_id: key_id, subject }) =>
    key_id !== null && subject !== null && seesPersonal(visibility, subject)
      ? [{ key_id, subject }]
      : [],
  );
  const keys = blocks.length === 0 ? undefined : await subjectKeys.forBlocks(db, blocks);
  return events.map((event) => {
    const { index, record, subject, personal_key_id: key_id } = event;
    const part = findPersonalPart(record);
    const key =
      subject === null || key_id === null || !seesPersonal(visibility, subject)
        ? undefined
        : keys?.of({ key_id, subject });
    return renderEntry(index, record, part, key ? opened(event, part.at, key) : NONE);
  });
}
