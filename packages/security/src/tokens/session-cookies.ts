import type { IncomingHttpHeaders } from 'node:http';
import { CredentialsAmbiguous } from '../errors.ts';

export type SessionCookiesOptions = {
  /** Names with the prefix `__Host-` (RFC 6265bis §4.1.3.2): no other host of the domain can set them. */
  hostPrefix: boolean;
  /** Origins whose pages may act with the cookies: the product's own and those that CORS allows. */
  origins: Iterable<string>;
};

/** What is needed of a request. */
export type CookieRequest = { headers: IncomingHttpHeaders };

export type SessionCookies = ReturnType<typeof createSessionCookies>;

const part = /^[A-Za-z0-9_-]{1,4096}$/;

/** The values of a cookie in a `Cookie` header (RFC 6265 §4.2.1), which Node joins with `; ` where a client sent several. */
const valuesOf = (header: string | undefined, name: string): string[] => {
  if (!header?.includes(name)) return [];
  return header.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals >= 0 && pair.slice(0, equals).trim() === name
      ? [pair.slice(equals + 1).trim()]
      : [];
  });
};

/** A token in its two cookies: `loginInfo`, its payload, is for scripts; `secure`, its signature, makes it count. */
export const splitToken = (token: string): { loginInfo: string; secure: string } => {
  const [, loginInfo = '', secure = ''] = token.split('.');
  return { loginInfo, secure };
};

/** The token whose payload and signature these are: the header follows from the claim `kid`. undefined for what cannot be any. */
export const joinToken = (
  loginInfo: string | undefined,
  secure: string | undefined,
): string | undefined => {
  if (
    loginInfo === undefined ||
    secure === undefined ||
    !part.test(loginInfo) ||
    !part.test(secure)
  )
    return undefined;
  let kid: unknown;
  try {
    ({ kid } = JSON.parse(Buffer.from(loginInfo, 'base64url').toString()) as { kid?: unknown });
  } catch {
    return undefined;
  }
  // Member by member as @fastify/jwt writes it: the signature is over these very bytes.
  return typeof kid === 'string'
    ? `${Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'JWT', kid })).toString('base64url')}.${loginInfo}.${secure}`
    : undefined;
};

/**
 * Reads the cookies that hold a session, and tells which pages may act with them. Credentials that came twice (a bearer token beside cookies, a
 * cookie that another host of the domain has put beside ours) are refused with `credentials_ambiguous`: any choice between them could be the attacker's.
 */
export const createSessionCookies = ({ hostPrefix, origins }: SessionCookiesOptions) => {
  const prefix = hostPrefix ? '__Host-' : '';
  const names = {
    loginInfo: `${prefix}login_info`,
    secure: `${prefix}secure`,
    refreshToken: `${prefix}refresh_token`,
    device: `${prefix}device`,
  };
  const own = new Set(origins);

  const only = ({ headers }: CookieRequest, name: string): string | undefined => {
    const [value, ...others] = valuesOf(headers.cookie, name);
    if (others.length > 0 || (value !== undefined && headers.authorization !== undefined))
      throw new CredentialsAmbiguous();
    return value;
  };
  /** `same-site` is a page of an allowed origin on a sister host; `none` is no page's doing (Fetch Metadata §2.4). */
  const fromSite = ({ headers }: CookieRequest): boolean => {
    const site = headers['sec-fetch-site'];
    return site === undefined || site === 'same-origin' || site === 'same-site';
  };

  return {
    names,

    /** The access token in a request's cookies, absent where they make none; undefined when there are no such cookies. */
    accessToken(request: CookieRequest): { token?: string } | undefined {
      const loginInfo = only(request, names.loginInfo);
      const secure = only(request, names.secure);
      if (loginInfo === undefined && secure === undefined) return undefined;
      const token = joinToken(loginInfo, secure);
      return token === undefined ? {} : { token };
    },

    /** The refresh token's cookie; undefined when there is none. */
    refreshToken: (request: CookieRequest): string | undefined => only(request, names.refreshToken),

    /** The device tokens that came: several are no danger, since each counts only for what it was made for. At most four are looked at. */
    deviceTokens: ({ headers }: CookieRequest): string[] =>
      valuesOf(headers.cookie, names.device).slice(0, 4),

    /**
     * Whether a request that brings cookies and changes something was sent by a page of ours: its Origin is one of ours, or, where there is none, the
     * browser says `same-origin`. Fails closed: what is no browser states an Origin.
     */
    isOwnPage(request: CookieRequest): boolean {
      const { origin, 'sec-fetch-site': site } = request.headers;
      return fromSite(request) && (origin === undefined ? site === 'same-origin' : own.has(origin));
    },

    /**
     * Whether a browser says that a page which is not ours has sent the request: it must not sign its visitor in as somebody else (login CSRF). Without
     * Origin and Fetch metadata it was no page: browsers send Origin with every POST to another origin.
     */
    isForeignPage(request: CookieRequest): boolean {
      const { origin } = request.headers;
      return !fromSite(request) || (origin !== undefined && !own.has(origin));
    },
  };
};
