import { createHash } from 'node:crypto';
import { Ajv } from 'ajv';

/**
 * Lanes of a source. Never change it: a subject's lane, and so the order of its events, follows
 * from it.
 */
export const LANES = 16;
/** Limit of an event's canonical bytes, far below a Kinesis record's 1 MiB. */
export const MAX_EVENT_BYTES = 16 * 1024;
const MAX_NESTING = 32;
export const EVENT_VERSION = 1;

export const SOURCES = ['user', 'file', 'audit', 'app'] as const;
export type Source = (typeof SOURCES)[number];

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * Personal values as they leave the process: unreadable without the subject's key, bound to the
 * event by the commitment.
 */
export interface PersonalBlock {
  /**
   * A user id, `address:<HMAC>` under the day's key without an account, or `app:<HMAC>` for a
   * tenant's own subject.
   */
  subject: string;
  key_id: string;
  /**
   * base64 SHA-256 (salt ‖ canonical bytes of the values). The sealed leaf holds nothing else of
   * them.
   */
  commitment: string;
  /** base64, 96 bits */
  nonce: string;
  /** base64 AES-256-GCM (salt ‖ canonical bytes), tag appended */
  ciphertext: string;
}

/** The audit event as it is transported. docs/decisions/0002 says which part is sealed. */
export interface AuditEvent {
  version: typeof EVENT_VERSION;
  /** UUIDv7 */
  id: string;
  source: Source;
  lane: number;
  /** 1, 2, 3 ... without holes per (source, lane) */
  seq: number;
  tenant_id: string | null;
  action: string;
  outcome: 'success' | 'failure';
  /** The authenticated actor, or null. */
  user_id: string | null;
  resource: string | null;
  resource_type: string | null;
  session_id: string | null;
  request_id: string;
  /** W3C Trace Context */
  traceparent: string | null;
  metadata: { readonly [key: string]: Json };
  error: string | null;
  /** ISO 8601 UTC */
  timestamp: string;
  /** null without personal values, and after the subject's erasure */
  personal: PersonalBlock | null;
}

const nullableText = (maxLength: number) => ({ type: ['string', 'null'], maxLength }) as const;
const base64 = (maxLength: number) =>
  ({ type: 'string', pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength }) as const;
const uuid = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';

/**
 * JSON Schema (draft 7) of `AuditEvent`: the contract for other producers and readers of the
 * stream.
 */
export const auditEventSchema = {
  $id: 'https://muniment.dev/schemas/audit-event-1.json',
  type: 'object',
  additionalProperties: false,
  required: [
    'version',
    'id',
    'source',
    'lane',
    'seq',
    'tenant_id',
    'action',
    'outcome',
    'user_id',
    'resource',
    'resource_type',
    'session_id',
    'request_id',
    'traceparent',
    'metadata',
    'error',
    'timestamp',
    'personal',
  ],
  properties: {
    version: { const: EVENT_VERSION },
    id: { type: 'string', pattern: uuid },
    source: { enum: SOURCES },
    lane: { type: 'integer', minimum: 0, maximum: LANES - 1 },
    seq: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    tenant_id: nullableText(200),
    action: { type: 'string', pattern: '^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$', maxLength: 100 },
    outcome: { enum: ['success', 'failure'] },
    user_id: { type: ['string', 'null'], pattern: uuid },
    resource: nullableText(500),
    resource_type: nullableText(100),
    session_id: { type: ['string', 'null'], pattern: uuid },
    request_id: { type: 'string', minLength: 1, maxLength: 64 },
    traceparent: nullableText(55),
    metadata: { type: 'object' },
    error: nullableText(1000),
    timestamp: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' },
    personal: {
      type: ['object', 'null'],
      additionalProperties: false,
      required: ['subject', 'key_id', 'commitment', 'nonce', 'ciphertext'],
      properties: {
        subject: { type: 'string', minLength: 1, maxLength: 100 },
        key_id: { type: 'string', pattern: uuid },
        commitment: base64(44),
        nonce: base64(16),
        ciphertext: base64(MAX_EVENT_BYTES),
      },
    },
  },
} as const;

const validate = new Ajv({ allowUnionTypes: true }).compile<AuditEvent>(auditEventSchema);

/** The first fault of a value, as `path message`; undefined for an audit event. */
export function eventFault(value: unknown): string | undefined {
  if (validate(value)) {
    // The pattern lets the 31st of February through, and timestamptz does not.
    if (!isInstant(value.timestamp)) return '/timestamp is no point in time';
    // Readers recurse into the values: 16 KiB of brackets would overflow the stack of some.
    return isNestedDeeper(value.metadata, MAX_NESTING)
      ? `/metadata is nested deeper than ${MAX_NESTING} levels`
      : undefined;
  }
  const fault = validate.errors?.[0];
  return `${fault?.instancePath || 'event'} ${fault?.message ?? 'is malformed'}`;
}

function isNestedDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner: Json) => isNestedDeeper(inner, levels - 1));
}

function isInstant(timestamp: string): boolean {
  const time = new Date(timestamp);
  return (
    !Number.isNaN(time.getTime()) && time.toISOString() === timestamp && time.getUTCFullYear() > 0
  );
}

/** The lane of a subject. Its events keep their order because they share it. */
export function laneOf(subject: string): number {
  return createHash('sha256').update(subject).digest().readUInt32BE(0) % LANES;
}
