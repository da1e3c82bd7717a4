import createError from '@fastify/error';

/** One answer for all causes: the reason would help only a forger. */
export const Unauthenticated = createError(
  'unauthenticated',
  'Authentication is required. Sign in or send a valid token.',
  401,
);
/** A choice between two credentials could be the attacker's. */
export const CredentialsAmbiguous = createError(
  'credentials_ambiguous',
  'Credentials came twice. Send the session cookies once, or a bearer token.',
  400,
);
export const OriginRefused = createError(
  'origin_refused',
  'The Origin header is missing or names no allowed page. ' +
    'Send the origin of PUBLIC_URL or CORS_ORIGINS, or use a bearer token.',
  403,
);
export const PermissionDenied = createError(
  'permission_denied',
  'Your role does not allow this. Ask an administrator.',
  403,
);
/** RFC 6750 §3.1. */
export const InsufficientScope = createError(
  'insufficient_scope',
  'The API token lacks the scope for this. Use a token that has it.',
  403,
);
export const SessionRequired = createError(
  'session_required',
  'An API token cannot do this. Sign in and use the session.',
  403,
);
export const PasswordLength = createError(
  'password_length',
  'A password must have 8 to 128 characters.',
  422,
);
export const AdminPasswordLength = createError(
  'password_length',
  'The password of an administrator or auditor must have 15 to 128 characters.',
  422,
);
/** NIST SP 800-63B-4 §3.1.1.2: the user must learn why another password is needed. */
export const PasswordCommon = createError(
  'password_common',
  'This password is easy to guess. Choose another.',
  422,
);
export const PasswordMalformed = createError(
  'password_malformed',
  'A password must be well-formed Unicode text.',
  422,
);
export const Overloaded = createError(
  'overloaded',
  'This replica has more work than it can do. Try again shortly.',
  503,
);
export const DependencyUnavailable = createError(
  'dependency_unavailable',
  'A part of the system is out of reach. Try again shortly.',
  503,
);

/** Clients see `internal_error`. */
export const SealBroken = createError(
  'seal_broken',
  'The sealed refresh token was altered, or belongs to another parent.',
  500,
);

/** The code of a refused password, for the audit event; undefined for any other error. */
export function passwordRefusal(error: unknown): string | undefined {
  if (
    error instanceof PasswordLength ||
    error instanceof PasswordMalformed ||
    error instanceof PasswordCommon
  )
    // @fastify/error upper-cases codes; events hold them as written above.
    return error.code.toLowerCase();
  return undefined;
}
