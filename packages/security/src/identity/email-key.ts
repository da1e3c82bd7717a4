import { domainToASCII } from 'node:url';

/** `domainToASCII` parses a URL's host: it would cut at `/`, `?` or `#` and decode `%61`. */
const CONVERTIBLE_DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;

const lowerAscii = (text: string): string =>
  text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The IDNA form of a domain; undefined when it has none. */
export function toAsciiDomain(domain: string): string | undefined {
  return CONVERTIBLE_DOMAIN.test(domain) ? domainToASCII(domain) || undefined : undefined;
}

/**
 * The normal form of an e-mail address: NFC, ASCII lower case, IDNA domain.
 * Accounts are unique by it and stored search terms are its hashes, so it must never change.
 */
export function emailKey(address: string): string {
  const email = address.trim().normalize('NFC');
  const at = email.lastIndexOf('@');
  const domain = email.slice(at + 1);
  return `${lowerAscii(email.slice(0, at + 1))}${toAsciiDomain(domain) ?? domain.toLowerCase()}`;
}
