import { createHash, randomBytes } from 'node:crypto';

/** What a token that went by mail is good for: one of one purpose is no token of another, by its prefix and by the table that it is looked up in. */
export type LinkTokenPurpose = 'reset_password' | 'change_email';

const PREFIX = { reset_password: 'mpr_', change_email: 'mec_' } as const satisfies Record<
  LinkTokenPurpose,
  string
>;
const RANDOM = /^[A-Za-z0-9_-]{43}$/;

export interface LinkToken {
  /** For the mail alone. */
  token: string;
  /** SHA-256, what is stored: 256 random bits need no slow hash. */
  hash: Buffer;
}

export const hashLinkToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** A new token: a prefix (so that secret scanners know a leaked one) and 256 random bits in base64url. */
export function createLinkToken(purpose: LinkTokenPurpose): LinkToken {
  const token = PREFIX[purpose] + randomBytes(32).toString('base64url');
  return { token, hash: hashLinkToken(token) };
}

/** Whether the text has the form of such a token; what has not is refused without asking the database. */
export const isLinkToken = (purpose: LinkTokenPurpose, text: string): boolean =>
  text.startsWith(PREFIX[purpose]) && RANDOM.test(text.slice(PREFIX[purpose].length));
