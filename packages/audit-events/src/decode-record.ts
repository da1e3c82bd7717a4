import { canonicalJson } from './canonical.ts';
import { MAX_EVENT_BYTES, eventFault, type AuditEvent } from './event.ts';

export type DecodedRecord = { event: AuditEvent; text: string } | { fault: string };

const ESCAPED_NUL = '\\u0000';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a record of the stream. What is not an event in canonical form comes back as a fault: the reader quarantines it and goes on. */
export function decodeRecord(data: Uint8Array): DecodedRecord {
  // The seq, its key and its commas come on top of what the producer measured.
  if (data.byteLength > MAX_EVENT_BYTES + 64)
    return { fault: `the record has ${data.byteLength} bytes, more than an event may` };
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(data);
    value = JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the text, and a fault is kept where nobody looks for a person's values.
    return {
      fault: error instanceof SyntaxError ? 'the record is not JSON' : 'the record is not UTF-8',
    };
  }
  const fault = eventFault(value);
  if (fault) return { fault };
  // PostgreSQL's text holds no NUL, so an event with one could be kept in no column. The six characters may also be somebody's text.
  if (text.includes(ESCAPED_NUL) && holdsNul(value))
    return { fault: 'the text holds a NUL character' };
  if (!isCanonical(value, text)) return { fault: 'the JSON is not canonical (RFC 8785)' };
  return { event: value as AuditEvent, text };
}

function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => name.includes('\0') || holdsNul(member));
}

function isCanonical(value: unknown, text: string): boolean {
  try {
    return canonicalJson(value) === text;
  } catch {
    // An escaped lone surrogate has no canonical form.
    return false;
  }
}

/**
 * The bytes of an event that are stored and sealed: canonical JSON with the commitment in place of the ciphertext. So a key can rotate and an erasure can
 * destroy the values while every proof keeps verifying.
 */
export function sealedForm(event: AuditEvent): string {
  const { personal } = event;
  return canonicalJson({
    ...event,
    personal: personal && { commitment: personal.commitment, subject: personal.subject },
  });
}
