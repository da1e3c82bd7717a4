export { accessTokens } from './tokens/access-tokens.ts';
export type { AccessTokenClaims, AppMetadata } from './tokens/claims.ts';
export type { ServiceCall, ServiceTokens } from './tokens/service-tokens.ts';
export type {
  AccessTokenOptions,
  AccessTokens,
  IssuedAccessToken,
  SigningKey,
  SigningKeySource,
} from './tokens/access-tokens.ts';
export { createLastSeen, touchApiTokens, touchSessions } from './sessions/last-seen.ts';
export type { LastSeen, LastSeenOptions } from './sessions/last-seen.ts';
export { emailKey, toAsciiDomain } from './identity/email-key.ts';
export { clientNetwork, normalizeAddress } from './network/ip-address.ts';
export { isAddressAllowed, normalizeRange } from './network/ip-ranges.ts';
export { createApiTokenLookup, queryApiTokens } from './sessions/api-token-lookup.ts';
export type {
  ApiToken,
  ApiTokenLookup,
  ApiTokenLookupOptions,
  ApiTokenRow,
} from './sessions/api-token-lookup.ts';
export {
  createApiToken,
  hashApiToken,
  isApiToken,
  isTokenScope,
  TOKEN_SCOPES,
} from './tokens/api-tokens.ts';
export { authentication, type AuthenticationOptions } from './authenticate.ts';
export { BEARER_CHALLENGE, readCredentials, rejectCredentials } from './credentials.ts';
export {
  findDenial,
  isAllowed,
  principalOf,
  sessionPrincipalOf,
  throwDenied,
  type Principal,
  type SessionPrincipal,
} from './principal.ts';
export { isSafeMethod, type RouteAccess } from './route-access.ts';
export {
  AdminPasswordLength,
  CredentialsAmbiguous,
  DependencyUnavailable,
  InsufficientScope,
  OriginRefused,
  Overloaded,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
  PermissionDenied,
  SessionRequired,
  Unauthenticated,
  passwordRefusal,
} from './errors.ts';
export { isLongEnough, normalizePassword } from './passwords/password-rules.ts';
export type { PasswordOwner } from './passwords/password-rules.ts';
export {
  costClassOf,
  decoyOf,
  encodeForeignHash,
} from './passwords/foreign-hashes/encode-foreign-hash.ts';
export {
  checkForeignHash,
  ForeignHashFault,
  type ForeignHash,
} from './passwords/foreign-hashes/foreign-hash.ts';
export {
  decodeBase64,
  parseForeignHash,
  readLogCost,
} from './passwords/foreign-hashes/parse-foreign-hash.ts';
export { createPasswordHasher } from './passwords/passwords.ts';
export type { PasswordHasher, PasswordHasherOptions } from './passwords/passwords.ts';
export {
  denialOf,
  isAdministrative,
  isPermission,
  isPrivileged,
  isRole,
  needsSession,
  PERMISSION_NAMES,
  reachOf,
  roleAllows,
  ROLES,
  VENDOR_PROFILE_FIELDS,
} from './permissions.ts';
export type { Denial, Permission, PrivilegedRole, Reach, Role } from './permissions.ts';
export { createPublicKeyRing } from './keys/public-key-ring.ts';
export type { PublicKeyRing, PublicKeyRingOptions } from './keys/public-key-ring.ts';
export { loadPublicKeys } from './keys/read-keys.ts';
export { loadSharedSecret, parseSharedSecret, type SharedSecret } from './keys/shared-secret.ts';
export type { PublicJwk, PublicKeyRow, VerificationKey } from './keys/read-keys.ts';
export {
  createRefreshToken,
  hashRefreshToken,
  isRefreshToken,
  openChild,
  sealChild,
} from './tokens/refresh-tokens.ts';
export { createRevocations, REVOCATION_KINDS, toRevocation } from './sessions/revocations.ts';
export type { Instant } from './sessions/freshness.ts';
export type {
  Revocation,
  RevocationKind,
  Revocations,
  RevocationsOptions,
} from './sessions/revocations.ts';
export { DEVICE_TOKEN_TTL_S, issueDeviceToken, verifyDeviceToken } from './tokens/device-tokens.ts';
export type { Device, DeviceOwner } from './tokens/device-tokens.ts';
export { joinToken, splitToken } from './tokens/cookie-token.ts';
export { createSessionCookies } from './tokens/session-cookies.ts';
export type {
  CookieRequest,
  SessionCookies,
  SessionCookiesOptions,
} from './tokens/session-cookies.ts';
export { createSessionLookup, queryLiveSessions } from './sessions/session-lookup.ts';
export type {
  LiveSessionRow,
  LookupReason,
  SessionClaim,
  SessionLookup,
  SessionLookupOptions,
  SessionState,
} from './sessions/session-lookup.ts';
export { createRevalidatePrincipal } from './sessions/revalidate.ts';
export type { RevalidatePrincipal } from './sessions/revalidate.ts';
export { createConcurrencyLimit } from './concurrency/concurrency-limit.ts';
export { createTurnBatch } from './concurrency/turn-batch.ts';
export { createWakeUp, type WakeUp } from './concurrency/wake-up.ts';
export { withTimeout } from './concurrency/with-timeout.ts';
export { createViewerToken, hashViewerToken, isViewerToken } from './tokens/viewer-tokens.ts';
export type { Viewer, ViewerLookup } from './tokens/viewer-tokens.ts';
