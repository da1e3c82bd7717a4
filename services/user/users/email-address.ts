import { emailKey, toAsciiDomain } from '@muniment/security';
import { EmailMalformed } from '../errors.ts';

/** Refuses quotes, control and invisible characters. No mailbox in use needs them. */
const SHAPE = /^[^\s"(),:;<>@[\\\]\p{Cc}\p{Cf}]+@[^\s@]+$/u;
/** Top-level domains begin with a letter; `127.0.0.11` and `0x7f.0x0b` are IP addresses. */
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;
/** RFC 5321 §4.5.3.1, without the brackets of a path. */
const MAX_OCTETS = 254;
const MAX_LOCAL_OCTETS = 64;

export interface EmailAddress {
  /** As typed, without surrounding white space: where mail goes. */
  email: string;
  /** The normal form, by which accounts are unique. */
  emailKey: string;
}

const isLocalPart = (local: string): boolean =>
  Buffer.byteLength(local) <= MAX_LOCAL_OCTETS &&
  !local.startsWith('.') &&
  !local.endsWith('.') &&
  !local.includes('..');

/**
 * Parses an address as a user typed it.
 * @throws EmailMalformed
 */
export function parseEmail(typed: string): EmailAddress {
  const email = typed.trim().normalize('NFC');
  if (Buffer.byteLength(email) > MAX_OCTETS || !SHAPE.test(email)) throw new EmailMalformed();
  const at = email.lastIndexOf('@');
  const domain = toAsciiDomain(email.slice(at + 1));
  if (!isLocalPart(email.slice(0, at)) || domain === undefined || !DOMAIN.test(domain))
    throw new EmailMalformed();
  return { email, emailKey: emailKey(email) };
}
