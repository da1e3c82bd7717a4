import createError from '@fastify/error';

/** One answer for a wrong password, an unknown address and an account that may not sign in: which it was would tell who has an account (OWASP ASVS 6.3.8). */
export const InvalidCredentials = createError(
  'invalid_credentials',
  'E-mail address or password is wrong',
  401,
);
export const EmailTaken = createError(
  'email_taken',
  'There is an account with this e-mail address',
  409,
);
export const EmailMalformed = createError('email_malformed', 'This is not an e-mail address', 422);
/** Told to nobody but who knows the password. */
export const PasswordChangeRequired = createError(
  'password_change_required',
  'An administrator signs in by a password of 15 characters at least: set one by POST /api/auth/forgot-password',
  403,
);
export const PasswordIncorrect = createError(
  'password_incorrect',
  'The current password is wrong',
  403,
);
/** One answer for unknown, spent, expired and revoked: a thief learns nothing from it. */
export const RefreshTokenInvalid = createError(
  'refresh_token_invalid',
  'The refresh token is not valid; sign in again',
  401,
);
export const AccountChanged = createError(
  'account_changed',
  'The account was changed by another request; try again',
  409,
);
/** Also for another's and for one that has ended: an id tells nothing. */
export const SessionNotFound = createError('session_not_found', 'You have no such session', 404);
/** One answer for unknown, used, expired and void, and for an account that may not sign in: a thief learns nothing from it. */
export const ResetTokenInvalid = createError(
  'reset_token_invalid',
  'The link does not count any more; ask for another',
  422,
);
export const EmailTokenInvalid = createError(
  'email_token_invalid',
  'The link does not count any more; ask for another',
  422,
);
/** Also for another's and for one that has ended. */
export const ApiTokenNotFound = createError(
  'api_token_not_found',
  'You have no such API token',
  404,
);
export const ServiceAccountNotFound = createError(
  'service_account_not_found',
  'There is no such service account',
  404,
);
export const ScopeUnknown = createError(
  'scope_unknown',
  'A scope is none that an API token can have',
  422,
);
export const ScopeDenied = createError(
  'scope_denied',
  "A scope allows more than the owner's role does",
  403,
);
export const AllowListMalformed = createError(
  'allow_list_malformed',
  'An entry of allowed_ips is neither an IP address nor a CIDR range',
  422,
);
export const TooManyApiTokens = createError(
  'too_many_api_tokens',
  'There are 100 API tokens already; revoke some',
  409,
);
export const UserNotFound = createError('user_not_found', 'There is no such user', 404);
export const MessageInvalid = createError(
  'message_invalid',
  "The message is not of its channel's form",
  400,
);
export const ChannelUnknown = createError('channel_unknown', 'There is no such channel', 404);
export const UpgradeRequired = createError(
  'upgrade_required',
  'This is a WebSocket (RFC 6455); open it as one',
  426,
);
export const SocketCapacity = createError(
  'socket_capacity',
  'This replica serves as many sockets as it may; connect again shortly',
  503,
);
export const FormMalformed = createError('form_malformed', 'The form names a field twice', 400);
