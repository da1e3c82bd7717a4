import createError from '@fastify/error';

/** Errors that any service can answer. Each service has its own catalogue beside this one. */
export const NotFound = createError('not_found', 'There is nothing here. Check the path.', 404);
export const MethodNotAllowed = createError<[string, string]>(
  'method_not_allowed',
  'This path does not take %s. Use one of %s.',
  405,
);
export const UnsupportedMediaType = createError<[string]>('unsupported_media_type', '%s', 415);
export const MalformedRequest = createError(
  'malformed_request',
  'The request lacks a Host header. Send one.',
  400,
);
/** `InvalidFields` makes it. */
export const ValidationFailed = createError<[string]>('validation_failed', '%s', 400);
export const MalformedText = createError(
  'malformed_text',
  'Text must be UTF-8 without NUL characters or halves of surrogate pairs.',
  400,
);
export const MalformedJson = createError(
  'malformed_json',
  'The body must be valid JSON without numbers that are too large.',
  400,
);
export const PreconditionFailed = createError(
  'precondition_failed',
  'The resource is not in the state that the request demands. Fetch it again, then retry.',
  412,
);
export const RateLimited = createError('rate_limited', 'Too many attempts. Try again later.', 429);
export const IdempotencyKeyMalformed = createError(
  'idempotency_key_malformed',
  'An Idempotency-Key must have 1 to 255 visible ASCII characters, bare or in quotes.',
  400,
);
export const IdempotencyInProgress = createError(
  'idempotency_in_progress',
  'A request with this Idempotency-Key is in progress. Ask again shortly.',
  409,
);
export const IdempotencyAnswerGone = createError(
  'idempotency_answer_gone',
  'The answer under this Idempotency-Key is no longer valid. Use another key.',
  409,
);
export const IdempotencyKeyReused = createError(
  'idempotency_key_reused',
  'This Idempotency-Key was used with another content. Use another key.',
  422,
);
export const CursorInvalid = createError(
  'cursor_invalid',
  'This list did not issue the cursor. Start again without one.',
  400,
);
export const ExportCapacity = createError(
  'export_capacity',
  'This replica runs as many exports as it can. Try again shortly.',
  503,
);
