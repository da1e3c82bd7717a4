import { domainToASCII } from 'node:url';
import { EmailMalformed } from './errors.ts';

// No white space, quotes or controls: addresses that need them do not exist outside of RFC 5321's grammar.
const SHAPE = /^[^\s"(),:;<>@[\\\]\p{Cc}]{1,64}@[^\s@]{1,253}$/u;
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

export interface EmailAddress {
  /** As typed, without surrounding white space: where mail goes. */
  email: string;
  /** What makes it unique: NFC, ASCII lower case, IDNA domain. Dots and plus signs stay: they are the provider's business. */
  emailKey: string;
}

/**
 * An address in its two forms (DESIGN §5).
 * @throws EmailMalformed
 */
export function parseEmail(typed: string): EmailAddress {
  const email = typed.trim().normalize('NFC');
  if (email.length > 254 || !SHAPE.test(email)) throw new EmailMalformed();
  const at = email.lastIndexOf('@');
  const local = email.slice(0, at).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const domain = domainToASCII(email.slice(at + 1));
  if (local.startsWith('.') || local.endsWith('.') || local.includes('..') || !DOMAIN.test(domain)) throw new EmailMalformed();
  return { email, emailKey: `${local}@${domain}` };
}
