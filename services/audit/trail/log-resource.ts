import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { Type, type TSchema } from 'typebox';
import {
  openPersonal,
  type PersonalValues,
  type SubjectKey,
  type SubjectKeys,
} from '@muniment/audit-events';
import { dateTime, nullable, strictObject, uuid } from '@muniment/server';
import type { Tables } from '../tables.ts';
import type { LoggedEvent } from './log-queries.ts';
import { findPersonalPart, METADATA_KEY, parseCommitment } from './record-text.ts';
import { seesPersonal, type Visibility } from './readers/visibility.ts';

const text = nullable(Type.String());

/**
 * An entry of the trail. `index` is its leaf in the Merkle log. Personal values are null where hidden
 * from the reader, and once the subject is erased.
 */
export const logResourceSchema = strictObject({
  index: Type.Integer(),
  id: uuid,
  user_id: nullable(uuid),
  action: Type.String(),
  outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')]),
  resource: text,
  resource_type: text,
  ip: text,
  user_agent: text,
  email: text,
  metadata: Type.Record(Type.String(), Type.Unknown()),
  error: text,
  session_id: nullable(uuid),
  request_id: Type.String(),
  traceparent: text,
  tenant_id: text,
  source: Type.String(),
  lane: Type.Integer(),
  seq: Type.Integer(),
  timestamp: dateTime,
  version: Type.Integer(),
});

/** The schema of an answer that is JSON text already. Fastify sends such text as it is. */
export const jsonText = (schema: TSchema) => Type.Unsafe<string>(schema);

/** Personal values as JSON text. */
interface PersonalText {
  /** The three that every event has. */
  own: string;
  /** The others, for the metadata: a file's name, values that an app marked. May be empty. */
  marked: string;
}

const toJson = (value: unknown): string => JSON.stringify(value ?? null);

function formatPersonal({ email, ip, user_agent, ...marked }: PersonalValues): PersonalText {
  return {
    own: `"email":${toJson(email)},"ip":${toJson(ip)},"user_agent":${toJson(user_agent)}`,
    marked: JSON.stringify(marked).slice(1, -1),
  };
}

const NO_VALUES = formatPersonal({});

/**
 * An entry as JSON: the stored text, with the personal values in the place of their commitment.
 * Parsing and serialising 50 records would cost more than the rest of the request.
 */
function renderEntry({ index, record }: LoggedEvent, { own, marked }: PersonalText): string {
  const { at, end } = findPersonalPart(record);
  const tail = `,${own}${record.slice(end)}`;
  if (marked === '') return `{"index":${index},${record.slice(1, at)}${tail}`;
  const metadataAt = record.indexOf(METADATA_KEY) + METADATA_KEY.length;
  const comma = record[metadataAt] === '}' ? '' : ',';
  const head = `${record.slice(1, metadataAt)}${marked}${comma}${record.slice(metadataAt, at)}`;
  return `{"index":${index},${head}${tail}`;
}

/** In characters; an event's marked values may be thousands of them. */
const OPENED_MAX_SIZE = 8 * 1024 * 1024;
/** What an entry of the cache takes besides its text. */
const OPENED_OVERHEAD = 200;
/**
 * Opened values by event. They are valid only for the very key object: an erasure drops it within a
 * minute. Opening costs 8 µs, which was 0.4 ms of a page of 50.
 */
const openedValues = new LRUCache<string, { key: SubjectKey; text: PersonalText }>({
  maxSize: OPENED_MAX_SIZE,
  sizeCalculation: ({ text: { own, marked } }) => own.length + marked.length + OPENED_OVERHEAD,
});

function openValues(event: LoggedEvent, key: SubjectKey): PersonalText {
  const known = openedValues.get(event.id);
  if (known?.key === key) return known.text;
  const { personal_key_id: key_id, personal_nonce: nonce, personal_ciphertext: ciphertext } = event;
  const commitment = parseCommitment(event.record);
  if (key_id === null || nonce === null || ciphertext === null || commitment === undefined)
    return NO_VALUES;
  const block = { subject: key.subject, key_id, commitment, nonce, ciphertext };
  try {
    const opened = formatPersonal(openPersonal(event.id, block, key));
    openedValues.set(event.id, { key, text: opened });
    return opened;
  } catch {
    // A block that was tampered with must not fail the page. Its commitment still shows what was
    // there.
    return NO_VALUES;
  }
}

/** Reads the keys of personal values. */
export interface RenderParts {
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
}

/**
 * Renders events for a reader, with the personal values that the reader may see and whose key
 * exists.
 * @returns one JSON text per event, in the shape of `logResourceSchema`
 */
export async function renderEntries(
  { db, subjectKeys }: RenderParts,
  visibility: Visibility,
  events: readonly LoggedEvent[],
): Promise<string[]> {
  const blocks = events.flatMap((event) => findBlock(event, visibility) ?? []);
  const keys = blocks.length === 0 ? undefined : await subjectKeys.forBlocks(db, blocks);
  return events.map((event) => {
    const block = findBlock(event, visibility);
    const key = block && keys?.of(block);
    return renderEntry(event, key ? openValues(event, key) : NO_VALUES);
  });
}

/** The subject and key of an event's personal values, where the reader may see them. */
export function findBlock(
  { subject, personal_key_id: keyId }: LoggedEvent,
  visibility: Visibility,
): { subject: string; key_id: string } | undefined {
  return subject !== null && keyId !== null && seesPersonal(visibility, subject)
    ? { subject, key_id: keyId }
    : undefined;
}
