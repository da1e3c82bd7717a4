import createError from '@fastify/error';

type Extra = {
  cause?: unknown;
  /** Seconds; the error renderer sends it as Retry-After. */
  retryAfter?: number;
};

/** `createError` turns codes to upper case, but ours are the lower snake case that clients see: hence set again. */
const catalogued = <Code extends string>(
  code: Code,
  message: string,
  status: number,
  always: Extra = {},
) => {
  const Catalogued = createError(code, message, status);
  return (extra: Extra = {}) => Object.assign(new Catalogued(), { code }, always, extra);
};

/** No credentials, or credentials that no longer count. One code for all causes: the reason would help only a forger. */
export const unauthenticated = catalogued('unauthenticated', 'Authentication is required', 401);
/** Which of several credentials would count is for nobody to choose: neither does. */
export const credentialsAmbiguous = catalogued(
  'credentials_ambiguous',
  'Credentials came twice: send session cookies once, or a bearer token',
  400,
);
export const originRefused = catalogued(
  'origin_refused',
  'Session cookies count for pages of allowed origins only',
  403,
);
export const permissionDenied = catalogued('permission_denied', 'You may not do this', 403);
/** RFC 6750 §3.1. */
export const insufficientScope = catalogued(
  'insufficient_scope',
  'This API token was not made for that',
  403,
);
export const sessionRequired = catalogued(
  'session_required',
  'This takes a session: no API token may do it',
  403,
);
export const passwordLength = catalogued(
  'password_length',
  'A password has 8 to 128 characters',
  422,
);
export const adminPasswordLength = catalogued(
  'password_length',
  "An administrator's password has 15 to 128 characters",
  422,
);
/** NIST SP 800-63B-4 §3.1.1.2: the reason is told, since another one must be chosen. */
export const passwordCommon = catalogued(
  'password_common',
  'This password is one of those that are tried first; choose another',
  422,
);
export const passwordMalformed = catalogued(
  'password_malformed',
  'A password must be well-formed Unicode text',
  422,
);
export const overloaded = catalogued(
  'overloaded',
  'Too many requests are waiting, try again shortly',
  503,
  { retryAfter: 1 },
);
export const dependencyUnavailable = catalogued(
  'dependency_unavailable',
  'A service that this one needs does not answer',
  503,
  { retryAfter: 1 },
);

/** Refresh token material that does not open: altered, or sealed under another parent. Never shown to a client as such. */
export const sealBroken = catalogued('seal_broken', 'A sealed refresh token cannot be opened', 500);

/** The code of a password that the rules refuse, for the record of the attempt; undefined for any other error. */
export const passwordRefusal = (error: unknown): string | undefined => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'password_length' || code === 'password_malformed' || code === 'password_common'
    ? code
    : undefined;
};
