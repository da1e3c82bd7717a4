import { isRole, type Role } from '../permissions.ts';

/** A JSON object of at most 512 bytes. */
export type AppMetadata = Readonly<Record<string, unknown>>;

/** The claims of an access token. `exp` and `iat` in seconds since 1970. */
export interface AccessTokenClaims {
  kid: string;
  iss: string;
  aud: string;
  /** User id. */
  sub: string;
  /** Session id. */
  sid: string;
  jti: string;
  iat: number;
  exp: number;
  role: Role;
  /** The named part of what administrators store of the user; absent without one. */
  app_metadata?: AppMetadata;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** No setting allows more, so a token that lives longer is forged. */
const MAX_LIFETIME_S = 86_400;
const MAX_KID_LENGTH = 128;

const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);
const isInstant = (value: unknown): value is number => Number.isSafeInteger(value);

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function isClaims(value: unknown): value is AccessTokenClaims {
  if (typeof value !== 'object' || value === null) return false;
  const claims = value as Record<string, unknown>;
  const { kid, iss, aud, sub, sid, jti, iat, exp, role, app_metadata: metadata } = claims;
  return (
    typeof kid === 'string' &&
    typeof iss === 'string' &&
    typeof aud === 'string' &&
    typeof jti === 'string' &&
    isUuid(sub) &&
    isUuid(sid) &&
    isInstant(iat) &&
    isInstant(exp) &&
    exp - iat <= MAX_LIFETIME_S &&
    isRole(role) &&
    (metadata === undefined || isObject(metadata))
  );
}

/** The key id of a decoded token. A forged algorithm causes no key look-up. */
export function kidOf(decoded: unknown): string | undefined {
  if (typeof decoded !== 'object' || decoded === null || !('header' in decoded)) return undefined;
  const { header } = decoded;
  if (typeof header !== 'object' || header === null || !('alg' in header) || !('kid' in header))
    return undefined;
  const { alg, kid } = header;
  return alg === 'EdDSA' && typeof kid === 'string' && kid.length <= MAX_KID_LENGTH
    ? kid
    : undefined;
}

/** RFC 7519 §4.1.4 refuses on and after `exp`. NTP makes leeway unnecessary. */
export const hasExpired = (claims: AccessTokenClaims): boolean => Date.now() >= claims.exp * 1_000;
