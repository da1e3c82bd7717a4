export { accessTokens } from './access-tokens.ts';
export type {
  AccessTokenClaims,
  AccessTokenOptions,
  AccessTokens,
  IssuedAccessToken,
  SigningKeySource,
} from './access-tokens.ts';
export { createActivity, touchApiTokens, touchSessions } from './activity.ts';
export type { Activity, ActivityOptions } from './activity.ts';
export { isAddressAllowed, normalizeRange } from './address-list.ts';
export { createApiTokenLookup, queryApiTokens } from './api-token-lookup.ts';
export type {
  ApiToken,
  ApiTokenLookup,
  ApiTokenLookupOptions,
  ApiTokenRow,
} from './api-token-lookup.ts';
export {
  createApiToken,
  hashApiToken,
  isApiToken,
  isTokenScope,
  tokenScopes,
} from './api-tokens.ts';
export {
  authentication,
  mayDo,
  principalOf,
  refuse,
  sessionPrincipalOf,
  whyNot,
} from './authenticate.ts';
export type {
  AuthenticationOptions,
  Principal,
  RouteAccess,
  SessionPrincipal,
} from './authenticate.ts';
export {
  credentialsAmbiguous,
  insufficientScope,
  originRefused,
  passwordRefusal,
  permissionDenied,
  sessionRequired,
  unauthenticated,
} from './errors.ts';
export { isLongEnough, normalizePassword } from './password-rules.ts';
export type { PasswordOwner } from './password-rules.ts';
export { createPasswordHasher } from './passwords.ts';
export type { PasswordHasher, PasswordHasherOptions } from './passwords.ts';
export { denialOf, isPermission, isRole, permissions, roleMay, roles } from './permissions.ts';
export type { Denial, Permission, Role } from './permissions.ts';
export { createPublicKeyRing, loadPublicKeys } from './public-key-ring.ts';
export type {
  PublicKeyRing,
  PublicKeyRingOptions,
  PublicKeyRow,
  VerificationKey,
} from './public-key-ring.ts';
export {
  createRefreshToken,
  hashRefreshToken,
  isRefreshToken,
  openChild,
  sealChild,
} from './refresh-tokens.ts';
export { createRevocations, revocationKinds, toRevocation } from './revocations.ts';
export type {
  Instant,
  Revocation,
  RevocationKind,
  Revocations,
  RevocationsOptions,
} from './revocations.ts';
export { DEVICE_TOKEN_TTL_S, issueDeviceToken, verifyDeviceToken } from './device-tokens.ts';
export { createSessionCookies, joinToken, splitToken } from './session-cookies.ts';
export type { CookieRequest, SessionCookies, SessionCookiesOptions } from './session-cookies.ts';
export { createSessionLookup, queryLiveSessions } from './sessions.ts';
export type {
  LiveSessionRow,
  LookupReason,
  SessionClaim,
  SessionLookup,
  SessionLookupOptions,
  SessionState,
} from './sessions.ts';
export {
  compromiseSigningKeys,
  ensureSigningKey,
  loadActiveSigningKey,
  rotateSigningKeys,
} from './signing-keys.ts';
export type { KeyRotation, PublicJwk, SigningKey } from './signing-keys.ts';
export { createStanding } from './standing.ts';
export type { Standing } from './standing.ts';
export { createWorkGate } from './work-gate.ts';
export { createViewerToken, hashViewerToken, isViewerToken } from './viewer-tokens.ts';
export type { Viewer, ViewerLookup } from './viewer-tokens.ts';
