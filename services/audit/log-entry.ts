import { Type, type TSchema } from 'typebox';
import type { Kysely } from 'kysely';
import { openPersonal, type PersonalBlock, type PersonalValues, type SubjectKey, type SubjectKeys } from '@muniment/audit-events';
import type { LoggedEvent } from './queries/own-events.ts';
import type { Tables } from './tables.ts';

const nullable = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()]);
const text = () => nullable(Type.String());

/** An entry of the trail as it is answered. `email`, `ip`, `user_agent` are null once the subject is erased. */
export const logEntrySchema = Type.Object({
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
}, { additionalProperties: false });

/** The schema of what is answered, for a handler that has it as text already: Fastify sends text of a JSON type as it is. */
export const rendered = (schema: TSchema) => Type.Unsafe<string>(schema);

// In the canonical order of keys (RFC 8785) `personal` stands between metadata and scalars. Inside a string these quotes would be
// escaped, and metadata lies before, so the last occurrence is the event's own.
const PERSONAL_KEY = ',"personal":';
const NEXT_KEY = ',"request_id":';
// Before it stand only scalars, whose quotes are escaped: the first occurrence is the event's own.
const METADATA_KEY = ',"metadata":{';

const json = (value: unknown): string => JSON.stringify(value ?? null);

/**
 * An entry as JSON: the stored canonical text with the personal values in the place of their commitment, those beyond the three that every event
 * has (a file's name, what a caller marked) in its metadata. Parsing 50 records and
 * serialising them again would cost more than all the rest of the request.
 */
function renderEntry(record: string, at: number, end: number, { email, ip, user_agent: userAgent, ...marked }: PersonalValues): string {
  const metadataAt = record.indexOf(METADATA_KEY) + METADATA_KEY.length;
  const comma = record[metadataAt] === '}' ? '' : ',';
  const more = Object.keys(marked).length === 0 ? '' : `${JSON.stringify(marked).slice(1, -1)}${comma}`;
  const values = `"email":${json(email)},"ip":${json(ip)},"user_agent":${json(userAgent)}`;
  return `${record.slice(0, metadataAt)}${more}${record.slice(metadataAt, at)},${values}${record.slice(end)}`;
}

/** A block that was tampered with must not take the rest of the page away; the commitment in the record still tells what was there. */
function opened(id: string, block: PersonalBlock, key: SubjectKey): PersonalValues {
  try {
    return openPersonal(id, block, key);
  } catch {
    return {};
  }
}

/**
 * Renders events as `reader` may see them: personal values are opened where the reader is the person, and where the key still exists.
 * @returns one JSON text per event, in the shape of `logEntrySchema`
 */
export async function renderEntries(db: Kysely<Tables>, subjectKeys: SubjectKeys, reader: string, events: readonly LoggedEvent[]): Promise<string[]> {
  const blocks = events.flatMap(({ personal_key_id: key_id, subject }) => (key_id !== null && subject === reader ? [{ key_id, subject }] : []));
  const keys = blocks.length === 0 ? undefined : await subjectKeys.forBlocks(db, blocks);
  return events.map(({ id, record, subject, personal_key_id: keyId, personal_nonce: nonce, personal_ciphertext: ciphertext }) => {
    const at = record.lastIndexOf(PERSONAL_KEY);
    const end = record.indexOf(NEXT_KEY, at);
    const key = subject === null || keyId === null ? undefined : keys?.of({ key_id: keyId, subject });
    if (!key || keyId === null || nonce === null || ciphertext === null) return renderEntry(record, at, end, {});
    const { commitment } = JSON.parse(record.slice(at + PERSONAL_KEY.length, end)) as { commitment: string };
    return renderEntry(record, at, end, opened(id, { subject: key.subject, key_id: keyId, commitment, nonce, ciphertext }, key));
  });
}
