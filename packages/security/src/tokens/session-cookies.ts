import type { IncomingHttpHeaders } from 'node:http';
import { CredentialsAmbiguous } from '../errors.ts';
import { joinToken } from './cookie-token.ts';

export interface SessionCookiesOptions {
  /** `__Host-` keeps other hosts of the domain from setting them (RFC 6265bis §4.1.3.2). */
  hostPrefix: boolean;
  /** Origins whose pages may act with the cookies: ours and those that CORS allows. */
  origins: Iterable<string>;
}

/** The part of a request that is read. */
export interface CookieRequest {
  headers: IncomingHttpHeaders;
}

export type SessionCookies = ReturnType<typeof createSessionCookies>;

/** More device tokens than this are ignored. */
const MAX_DEVICE_TOKENS = 4;

/** All values of a cookie (RFC 6265 §4.2.1). Node joins repeated headers with `; `. */
function valuesOf(header: string | undefined, name: string): string[] {
  if (!header?.includes(name)) return [];
  return header.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals >= 0 && pair.slice(0, equals).trim() === name
      ? [pair.slice(equals + 1).trim()]
      : [];
  });
}

/**
 * The value of a cookie that may come once, and not beside a bearer token.
 * @throws CredentialsAmbiguous: another host of the domain may have set the second
 */
function singleValue({ headers }: CookieRequest, name: string): string | undefined {
  const [value, ...others] = valuesOf(headers.cookie, name);
  if (others.length > 0 || (value !== undefined && headers.authorization !== undefined))
    throw new CredentialsAmbiguous();
  return value;
}

/** `same-site` is a sister host, `none` the user's own navigation (Fetch Metadata §2.4). */
function isFromSite({ headers }: CookieRequest): boolean {
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'same-site';
}

/** Creates the reader of session cookies, which also tells which pages may use them. */
export function createSessionCookies({ hostPrefix, origins }: SessionCookiesOptions) {
  const prefix = hostPrefix ? '__Host-' : '';
  const names = {
    loginInfo: `${prefix}login_info`,
    secure: `${prefix}secure`,
    refreshToken: `${prefix}refresh_token`,
    device: `${prefix}device`,
  };
  const ownOrigins = new Set(origins);

  return {
    names,

    /**
     * The access token, absent when malformed; undefined without cookies.
     * @throws CredentialsAmbiguous
     */
    accessToken(request: CookieRequest): { token?: string } | undefined {
      const loginInfo = singleValue(request, names.loginInfo);
      const secure = singleValue(request, names.secure);
      if (loginInfo === undefined && secure === undefined) return undefined;
      const token = joinToken(loginInfo, secure);
      return token === undefined ? {} : { token };
    },

    /** @throws CredentialsAmbiguous */
    refreshToken: (request: CookieRequest): string | undefined =>
      singleValue(request, names.refreshToken),

    /** Several device tokens are safe: each is valid only for its own account. */
    deviceTokens: ({ headers }: CookieRequest): string[] =>
      valuesOf(headers.cookie, names.device).slice(0, MAX_DEVICE_TOKENS),

    /**
     * Whether one of our pages sent a changing request with cookies.
     * Fails closed: without an Origin the browser must say `same-origin`.
     */
    isOwnPage(request: CookieRequest): boolean {
      const { origin, 'sec-fetch-site': site } = request.headers;
      if (!isFromSite(request)) return false;
      return origin === undefined ? site === 'same-origin' : ownOrigins.has(origin);
    },

    /**
     * Whether a foreign page sent the request, which must not log its visitor in.
     * Browsers send Origin with every cross-origin POST, so its absence means no page.
     */
    isForeignPage(request: CookieRequest): boolean {
      const { origin } = request.headers;
      return !isFromSite(request) || (origin !== undefined && !ownOrigins.has(origin));
    },
  };
}
