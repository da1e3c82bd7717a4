export { accessTokens } from './access-tokens.ts';
export type { AccessTokenClaims, AccessTokenOptions, AccessTokens, IssuedAccessToken, SigningKeySource } from './access-tokens.ts';
export { authentication, principalOf } from './authenticate.ts';
export type { AuthenticationOptions, Principal, RouteAccess } from './authenticate.ts';
export {
  dependencyUnavailable, overloaded, passwordLength, passwordMalformed, passwordRefusal, permissionDenied, unauthenticated,
} from './errors.ts';
export { createPasswordHasher, normalizePassword } from './passwords.ts';
export type { PasswordHasher, PasswordHasherOptions } from './passwords.ts';
export { isPermission, isRole, permissions, roleMay, roles } from './permissions.ts';
export type { Permission, Role } from './permissions.ts';
export { createPublicKeyRing, loadPublicKeys } from './public-key-ring.ts';
export type { PublicKeyRing, PublicKeyRingOptions, PublicKeyRow, VerificationKey } from './public-key-ring.ts';
export { createRefreshToken, hashRefreshToken, isRefreshToken, openChild, sealChild } from './refresh-tokens.ts';
export { createSessionLookup, queryLiveSessions } from './sessions.ts';
export type { LiveSessionRow, SessionLookup, SessionLookupOptions, SessionState } from './sessions.ts';
export { ensureSigningKey, loadActiveSigningKey } from './signing-keys.ts';
export type { PublicJwk, SigningKey } from './signing-keys.ts';
export { createWorkGate } from './work-gate.ts';
