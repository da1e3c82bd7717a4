import { canonicalJson } from './canonical.ts';
import { MAX_EVENT_BYTES, eventFault, type AuditEvent } from './event.ts';

export type DecodedRecord = { event: AuditEvent; text: string } | { fault: string };

const ESCAPED_NUL = '\\u0000';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes a record of the stream. Anything but an event in canonical form gives a fault, and the
 * reader quarantines it.
 */
export function decodeRecord(data: Uint8Array): DecodedRecord {
  // The producer measured the event without its `seq`.
  if (data.byteLength > MAX_EVENT_BYTES + 64)
    return { fault: `the record has ${data.byteLength} bytes, more than an event may` };
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(data);
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the text, and a stored fault must hold no personal values.
    return {
      fault: error instanceof SyntaxError ? 'the record is not JSON' : 'the record is not UTF-8',
    };
  }
  const fault = eventFault(value);
  if (fault) return { fault };
  // PostgreSQL's text holds no NUL. The six characters alone may also be somebody's text.
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
 * The bytes that are stored and sealed: canonical JSON with the commitment in place of the
 * ciphertext. So keys can rotate and values can be erased while every proof keeps verifying.
 */
export function sealedForm(event: AuditEvent): string {
  const { personal } = event;
  return canonicalJson({
    ...event,
    personal: personal && { commitment: personal.commitment, subject: personal.subject },
  });
}
