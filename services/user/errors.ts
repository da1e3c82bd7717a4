import createError from '@fastify/error';

/** One answer for every cause, so it does not tell who has an account (OWASP ASVS 6.3.8). */
export const InvalidCredentials = createError(
  'invalid_credentials',
  'The e-mail address or the password is wrong. Check both.',
  401,
);
export const EmailTaken = createError(
  'email_taken',
  'This e-mail address is already registered. Sign in, or use another.',
  409,
);
export const EmailMalformed = createError(
  'email_malformed',
  'This is not an e-mail address. Check it for typing errors.',
  422,
);
/** Answered only after the right password. */
export const PasswordChangeRequired = createError(
  'password_change_required',
  'Administrators and auditors need a password of at least 15 characters. ' +
    'Set one with POST /api/auth/forgot-password.',
  403,
);
export const PasswordIncorrect = createError(
  'password_incorrect',
  'The current password is wrong. Check it.',
  403,
);
/** One answer for unknown, spent, expired and revoked tokens, so a thief learns nothing. */
export const RefreshTokenInvalid = createError(
  'refresh_token_invalid',
  'The refresh token is not valid. Sign in again.',
  401,
);
export const AccountChanged = createError(
  'account_changed',
  'Another request changed the account. Try again.',
  409,
);
/** Nobody could make another one but an operator. */
export const LastAdministrator = createError(
  'last_administrator',
  'This is the last active administrator. Make another one first.',
  409,
);
/** Nothing is changed where a form's files could not be stored. */
export const FileServiceUnavailable = createError(
  'file_service_unavailable',
  'The file service is out of reach. Nothing was changed. Try again shortly.',
  503,
);
/** One answer for ended, foreign and unknown sessions, so an id discloses nothing. */
export const SessionNotFound = createError(
  'session_not_found',
  'You have no such session. Check the id.',
  404,
);
/** One answer for every cause, an inactive account too, so a thief learns nothing. */
export const ResetTokenInvalid = createError(
  'reset_token_invalid',
  'This link is no longer valid. Ask for a new one.',
  422,
);
export const EmailTokenInvalid = createError(
  'email_token_invalid',
  'This link is no longer valid. Ask for a new one.',
  422,
);
/** One answer for revoked, expired, foreign and unknown tokens. */
export const ApiTokenNotFound = createError(
  'api_token_not_found',
  'You have no such API token. Check the id.',
  404,
);
export const ServiceAccountNotFound = createError(
  'service_account_not_found',
  'There is no such service account. Check the id.',
  404,
);
export const ScopeUnknown = createError(
  'scope_unknown',
  'API tokens have no such scope. Use documented scopes only.',
  422,
);
export const ScopeDenied = createError(
  'scope_denied',
  "The owner's role does not permit one of the scopes. Leave it out.",
  403,
);
export const AllowListMalformed = createError(
  'allow_list_malformed',
  'An entry of allowed_ips is malformed. Use IP addresses or CIDR ranges.',
  422,
);
export const TooManyApiTokens = createError(
  'too_many_api_tokens',
  'There are already 100 API tokens. Revoke one first.',
  409,
);
export const UserNotFound = createError(
  'user_not_found',
  'There is no such user. Check the id.',
  404,
);
/** The id of another system belongs to another user. */
export const IdTaken = createError<[string]>(
  'id_taken',
  'Another user has this %s. Check it.',
  409,
);
export const StatusConflict = createError<[string]>(
  'status_conflict',
  'A user who is %s cannot become this. See the transitions in the API documentation.',
  409,
);
/** The account's own routes ask for the password. */
export const OwnAccount = createError(
  'own_account',
  'Change your own address by POST /api/users/me/email, delete your account by DELETE /api/users/me.',
  409,
);
export const PreconditionRequired = createError(
  'precondition_required',
  'Send If-Match with the ETag of the user that you have read.',
  428,
);
export const MessageInvalid = createError(
  'message_invalid',
  'The message does not fit its channel. Check its fields.',
  400,
);
export const ChannelUnknown = createError(
  'channel_unknown',
  'There is no such channel. Check its name.',
  404,
);
export const UpgradeRequired = createError(
  'upgrade_required',
  'This URL serves WebSockets only. Open it as one (RFC 6455).',
  426,
);
export const HandshakeMalformed = createError<[string]>(
  'handshake_malformed',
  '%s. Open the WebSocket as RFC 6455 says.',
  400,
);
export const SocketCapacity = createError(
  'socket_capacity',
  'This replica has no WebSocket left. Connect again shortly.',
  503,
);
export const TooManySockets = createError(
  'too_many_sockets',
  'Your network has as many WebSockets open as are allowed. Close one first.',
  429,
);
export const FormMalformed = createError(
  'form_malformed',
  'The form has a field twice. Send each field once.',
  400,
);
/** One answer for absent profiles and those that the caller may not see. */
export const VendorProfileNotFound = createError(
  'vendor_profile_not_found',
  'There is no such vendor profile. Check the id.',
  404,
);
export const VendorProfileExists = createError(
  'vendor_profile_exists',
  'This vendor has a profile already. Change that one.',
  409,
);
export const ImportUnsupported = createError(
  'import_unsupported',
  'An import is text/csv or application/x-ndjson. Send it with that Content-Type.',
  415,
);
export const ImportTooLarge = createError(
  'import_too_large',
  'An import has 64 MiB at most. Rows before are done: send the rest as another one.',
  413,
);
export const TooManyRows = createError(
  'too_many_rows',
  'An import has 50,000 rows at most. Those are done: send the rest as another one.',
  413,
);
export const ImportNotUtf8 = createError(
  'import_not_utf8',
  'The file is not UTF-8. Rows before are done: convert it and send it again under its key.',
  400,
);
export const HeaderInvalid = createError<[string]>(
  'header_invalid',
  '%s. Mend the first line of the file.',
  400,
);
export const CsvMalformed = createError<[string]>(
  'csv_malformed',
  'Line %s ends the CSV. Rows before are done: mend it and send the file again under its key.',
  400,
);
export const ImportCapacity = createError(
  'import_capacity',
  'This replica is importing already. Send the file again shortly.',
  503,
);
