import type { FastifyReply, FastifyRequest } from 'fastify';
import { Unauthenticated } from './errors.ts';
import type { Permission } from './permissions.ts';
import type { SessionCookies } from './tokens/session-cookies.ts';

export interface Credentials {
  /** Undefined for credentials of an unknown form. */
  token?: string | undefined;
  byCookie: boolean;
}

/** RFC 6750 §2.1; the scheme in any case, by RFC 9110 §11.1. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** Longer headers hold no token of ours: they are neither matched nor hashed. */
const MAX_HEADER_LENGTH = 8_192;

function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index] ?? '';
    if (header.length === name.length && header.toLowerCase() === name) count += 1;
  }
  return count > 1;
}

/** How a caller may authenticate (RFC 6750 §3). */
export const BEARER_CHALLENGE = 'Bearer realm="muniment"';

function challenge(reply: FastifyReply, parameters = ''): void {
  reply.header('www-authenticate', `${BEARER_CHALLENGE}${parameters}`);
}

/** The 401 for credentials that came but are not valid. */
export function rejectCredentials(reply: FastifyReply): Error {
  challenge(reply, ', error="invalid_token"');
  return new Unauthenticated();
}

/** Names the missing scope (RFC 6750 §3.1). */
export function challengeScope(reply: FastifyReply, scope: Permission): void {
  challenge(reply, `, error="insufficient_scope", scope="${scope}"`);
}

/**
 * Reads the token of a request from its session cookies, else from `Authorization: Bearer`.
 * @throws Unauthenticated when there are no credentials, CredentialsAmbiguous
 */
export function readCredentials(
  request: FastifyRequest,
  reply: FastifyReply,
  cookies: Pick<SessionCookies, 'accessToken'> | undefined,
): Credentials {
  const inCookies = cookies?.accessToken(request);
  if (inCookies) return { token: inCookies.token, byCookie: true };
  const { authorization } = request.headers;
  if (authorization === undefined) {
    challenge(reply);
    throw new Unauthenticated();
  }
  // Node keeps the first of several headers; the gateway may have checked another.
  if (isRepeated(request.raw.rawHeaders, 'authorization')) return { byCookie: false };
  const token =
    authorization.length <= MAX_HEADER_LENGTH ? BEARER.exec(authorization)?.[1] : undefined;
  return { token, byCookie: false };
}
