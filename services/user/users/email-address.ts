import { domainToASCII } from 'node:url';
import { EmailMalformed } from '../errors.ts';

// No white space, quotes, controls or invisible characters: addresses that need them do not exist outside of RFC 5321's grammar.
const SHAPE = /^[^\s"(),:;<>@[\\\]\p{Cc}\p{Cf}]{1,64}@[^\s@]{1,253}$/u;
/** Before it is converted: `domainToASCII` parses a host of a URL, so it would cut at `/`, `?` or `#` and decode `%61`, and one mailbox would have many spellings. */
const TYPED_DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;
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
  const typedDomain = email.slice(at + 1);
  const domain = domainToASCII(typedDomain);
  if (
    !TYPED_DOMAIN.test(typedDomain) ||
    local.startsWith('.') ||
    local.endsWith('.') ||
    local.includes('..') ||
    !DOMAIN.test(domain)
  )
    throw new EmailMalformed();
  return { email, emailKey: `${local}@${domain}` };
}
