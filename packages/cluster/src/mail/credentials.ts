import { createHash, timingSafeEqual } from 'node:crypto';

export interface MailCredentials {
  user: string;
  password: string;
}

/** Whether these are the expected credentials. Digests make the lengths equal. */
export function isMailUser(
  expected: MailCredentials | undefined,
  { user, password }: { user?: string | undefined; password?: string | null | undefined },
): boolean {
  if (!expected || user === undefined || typeof password !== 'string') return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const isUser = timingSafeEqual(digest(expected.user), digest(user));
  return timingSafeEqual(digest(expected.password), digest(password)) && isUser;
}

/** The user and password of an `Authorization: Basic` header (RFC 7617). */
export function parseBasic(header: string | undefined): Partial<MailCredentials> {
  const encoded = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return {};
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? {} : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
