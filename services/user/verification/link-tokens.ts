import { createHash, randomBytes } from 'node:crypto';

/** What a mailed token may do. Prefix and table separate the purposes. */
export type LinkTokenPurpose = 'reset_password' | 'change_email';

const PREFIX = { reset_password: 'mpr_', change_email: 'mec_' } as const satisfies Record<
  LinkTokenPurpose,
  string
>;
const RANDOM = /^[A-Za-z0-9_-]{43}$/;

export interface LinkToken {
  /** Only for the mail. */
  token: string;
  /** SHA-256, which is stored: 256 random bits need no slow hash. */
  hash: Buffer;
}

export const hashLinkToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** A prefix for secret scanners, and 256 random bits in base64url. */
export function createLinkToken(purpose: LinkTokenPurpose): LinkToken {
  const token = PREFIX[purpose] + randomBytes(32).toString('base64url');
  return { token, hash: hashLinkToken(token) };
}

/** Whether a text has a token's form; others need no query. */
export const isLinkToken = (purpose: LinkTokenPurpose, text: string): boolean =>
  text.startsWith(PREFIX[purpose]) && RANDOM.test(text.slice(PREFIX[purpose].length));
