import { emailKey, toAsciiDomain } from '@muniment/security';
import { EmailMalformed } from '../errors.ts';

/** Refuses quotes, control and invisible characters. No mailbox in use needs them. */
const SHAPE = /^[^\s"(),:;<>@[\\\]\p{Cc}\p{Cf}]{1,64}@[^\s@]{1,253}$/u;
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;
const MAX_LENGTH = 254;

export interface EmailAddress {
  /** As typed, without surrounding white space: where mail goes. */
  email: string;
  /** The normal form, by which accounts are unique. */
  emailKey: string;
}

const isLocalPart = (local: string): boolean =>
  !local.startsWith('.') && !local.endsWith('.') && !local.includes('..');

/**
 * Parses an address as a user typed it.
 * @throws EmailMalformed
 */
export function parseEmail(typed: string): EmailAddress {
  const email = typed.trim().normalize('NFC');
  if (email.length > MAX_LENGTH || !SHAPE.test(email)) throw new EmailMalformed();
  const at = email.lastIndexOf('@');
  const domain = toAsciiDomain(email.slice(at + 1));
  if (!isLocalPart(email.slice(0, at)) || domain === undefined || !DOMAIN.test(domain))
    throw new EmailMalformed();
  return { email, emailKey: emailKey(email) };
}
