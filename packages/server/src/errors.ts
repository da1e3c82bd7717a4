import createError from '@fastify/error';

/** Errors that any service can answer; each service and package has a catalogue of its own beside this one. */
export const NotFound = createError('not_found', 'There is nothing here', 404);
export const MalformedRequest = createError(
  'malformed_request',
  'The request lacks a Host header',
  400,
);
export const MalformedText = createError(
  'malformed_text',
  'Text holds a NUL character or half of a surrogate pair, or is not UTF-8',
  400,
);
export const MalformedJson = createError(
  'malformed_json',
  'The body is not valid JSON, or has a number that is too large',
  400,
);
export const RateLimited = createError('rate_limited', 'Too many tries; try again later', 429);
export const IdempotencyKeyMalformed = createError(
  'idempotency_key_malformed',
  'An Idempotency-Key has 1 to 255 visible ASCII characters, with or without quotes around it',
  400,
);
export const IdempotencyInProgress = createError(
  'idempotency_in_progress',
  'A request with this Idempotency-Key is being worked on; ask again shortly',
  409,
);
export const IdempotencyAnswerGone = createError(
  'idempotency_answer_gone',
  'What this Idempotency-Key was answered with no longer counts; use another key',
  409,
);
export const IdempotencyKeyReused = createError(
  'idempotency_key_reused',
  'This Idempotency-Key was used for a request with another content',
  422,
);
export const CursorInvalid = createError(
  'cursor_invalid',
  'This list did not issue the cursor. Start again without one.',
  400,
);
