import { createHash } from 'node:crypto';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import { canonicalJson, cleanText } from './canonical.ts';
import {
  EVENT_VERSION,
  MAX_EVENT_BYTES,
  eventFault,
  laneOf,
  type AuditEvent,
  type Json,
  type Source,
} from './event.ts';
import { sealPersonal, type PersonalValues, type SubjectKey } from './personal.ts';
import type { Subject, SubjectKeys } from './subject-keys.ts';
import { uuidv7 } from '@muniment/database';

const MAX_PERSONAL_TEXT_BYTES = 512;
const MAX_RESOURCE_BYTES = 500;
const MAX_ERROR_BYTES = 1_000;

/** What a service says of an action. The rest of the event follows from it. */
export interface NewEvent {
  /** Only where a retry must give the same event. */
  id?: string;
  action: string;
  outcome?: 'success' | 'failure';
  user_id?: string | null;
  /** The owner of the personal values. */
  subject: Subject;
  personal: PersonalValues;
  resource?: string | null;
  resource_type?: string | null;
  session_id?: string | null;
  tenant_id?: string | null;
  request_id: string;
  traceparent?: string | null;
  metadata?: { readonly [key: string]: Json };
  error?: string | null;
}

/**
 * Inserts the event into the outbox within the given transaction: both are committed, or neither.
 */
export type RecordEvent = <DB>(trx: Kysely<DB>, event: NewEvent) => Promise<string>;

export interface EventRecorderOptions {
  source: Source;
  /** Schema of the outbox: a constant of ours, never a caller's text. */
  schema: string;
  subjectKeys: SubjectKeys;
}

/** Cleans every text within a client's JSON, so that each store accepts it. */
function cleanJson(value: Json, maxTextBytes: number): Json {
  if (typeof value === 'string') return cleanText(value, maxTextBytes);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: Json) => cleanJson(item, maxTextBytes));
  return cleanObject(value as { readonly [key: string]: Json }, maxTextBytes);
}

function cleanObject(
  values: { readonly [key: string]: Json },
  maxTextBytes: number,
): { readonly [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      cleanText(name, maxTextBytes),
      cleanJson(value, maxTextBytes),
    ]),
  );
}

const cleanOrNull = (text: string | null | undefined, maxBytes: number): string | null =>
  text === null || text === undefined ? null : cleanText(text, maxBytes);

/**
 * The canonical JSON of an event in two halves, around the `seq` that the relay assigns later. In
 * RFC 8785's key order it stands before `session_id`: `head ,"seq":N, tail`.
 */
export function canonicalHalves(event: Omit<AuditEvent, 'seq'>): { head: string; tail: string } {
  const { session_id, source, tenant_id, timestamp, traceparent, user_id, version, ...before } =
    event;
  const head = canonicalJson(before).slice(0, -1);
  const tail = canonicalJson({
    session_id,
    source,
    tenant_id,
    timestamp,
    traceparent,
    user_id,
    version,
  }).slice(1);
  return { head, tail };
}

/** An event as the outbox stores it. */
export interface OutboxRow {
  id: string;
  lane: number;
  head: string;
  tail: string;
}

/** An event with its subject's key. */
export interface EventContent extends Omit<NewEvent, 'subject'> {
  source: Source;
  /** Decides the lane. It stays the same after the subject's erasure. */
  laneSubject: string;
  /** undefined for an erased subject and for nobody; the event then has no personal block. */
  key: SubjectKey | undefined;
  now: Date;
}

/**
 * Makes the canonical form of an event.
 * @throws RangeError above 16 KiB; TypeError for a malformed event (an action that is not
 * SCREAMING_SNAKE)
 */
export function composeEvent({ source, laneSubject, key, now, ...input }: EventContent): OutboxRow {
  const id = input.id ?? uuidv7(now.getTime());
  const lane = laneOf(laneSubject);
  const event = {
    version: EVENT_VERSION,
    id,
    source,
    lane,
    tenant_id: input.tenant_id ?? null,
    action: input.action,
    outcome: input.outcome ?? 'success',
    user_id: input.user_id ?? null,
    resource: cleanOrNull(input.resource, MAX_RESOURCE_BYTES),
    resource_type: input.resource_type ?? null,
    session_id: input.session_id ?? null,
    request_id: input.request_id,
    traceparent: input.traceparent ?? null,
    metadata: cleanObject(input.metadata ?? {}, MAX_EVENT_BYTES),
    error: cleanOrNull(input.error, MAX_ERROR_BYTES),
    timestamp: now.toISOString(),
    personal: key
      ? sealPersonal(id, cleanObject(input.personal, MAX_PERSONAL_TEXT_BYTES), key)
      : null,
  } as const;
  if ((event.personal?.ciphertext.length ?? 0) > MAX_EVENT_BYTES)
    throw new RangeError(`The personal values of ${input.action} exceed ${MAX_EVENT_BYTES} bytes.`);
  // An event that the reader refuses must not get a number: its lane would have a hole for ever.
  const fault = eventFault({ ...event, seq: 1 });
  if (fault) throw new TypeError(`The event ${input.action} is malformed: ${fault}.`);
  const { head, tail } = canonicalHalves(event);
  if (Buffer.byteLength(head) + Buffer.byteLength(tail) > MAX_EVENT_BYTES)
    throw new RangeError(`The event ${input.action} exceeds ${MAX_EVENT_BYTES} bytes.`);
  return { id, lane, head, tail };
}

/**
 * Inserts events into an outbox in one statement, in order. An id that exists already stays as it
 * is.
 * @param beside another change for the same statement and round trip
 */
export async function insertOutboxRows<DB>(
  trx: Kysely<DB>,
  schema: string,
  rows: readonly OutboxRow[],
  beside?: RawBuilder<unknown>,
): Promise<void> {
  const outbox = sql.table(`${schema}.outbox`);
  const [row] = rows;
  // Most are single. An array's text form would escape every quote of the JSON.
  const values =
    row && rows.length === 1
      ? sql`values (${row.id}::uuid, ${row.lane}::smallint, ${row.head}, ${row.tail})`
      : sql`select * from unnest(
          ${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ lane }) => lane)}::smallint[],
          ${rows.map(({ head }) => head)}::text[], ${rows.map(({ tail }) => tail)}::text[])`;
  await sql`${beside ? sql`with beside as (${beside}) ` : sql``}
    insert into ${outbox} (event_id, lane, head, tail) ${values}
    on conflict (event_id) do nothing`.execute(trx);
}

/**
 * Makes the outbox form of an event; the subject's key is found or created in the given
 * transaction.
 */
export type PrepareEvent = <DB>(trx: Kysely<DB>, event: NewEvent) => Promise<OutboxRow>;

/** Makes the `prepareEvent` of one source. @throws as `composeEvent` */
export function createEventPreparer({
  source,
  subjectKeys,
}: Omit<EventRecorderOptions, 'schema'>): PrepareEvent {
  return async (trx, { subject, ...input }) => {
    const key = await subjectKeys.forSubject(trx, subject);
    const laneSubject = key?.subject ?? ('userId' in subject ? subject.userId : source);
    return composeEvent({ ...input, source, laneSubject, key, now: new Date() });
  };
}

/**
 * Makes the `recordEvent` of one source.
 * @throws as `composeEvent`
 */
export function createEventRecorder({ schema, ...options }: EventRecorderOptions): RecordEvent {
  const prepareEvent = createEventPreparer(options);
  return async (trx, event) => {
    const row = await prepareEvent(trx, event);
    await insertOutboxRows(trx, schema, [row]);
    return row.id;
  };
}

/**
 * An id that a retried request derives again: UUIDv7 of the request's start, with random bits from
 * its id.
 */
export function derivedEventId(requestId: string, startedAtMs: number): string {
  return uuidv7(startedAtMs, createHash('sha256').update(requestId).digest());
}
