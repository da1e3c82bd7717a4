import { createError } from '@fastify/error';

export const AuditErrors = {
  AuditLogNotFound: createError('audit_log_not_found', 'there is no such audit log entry', 404),
  StreamCapacity: createError('stream_capacity', 'more streams are open than this replica can serve; try again shortly', 503),
  TooManyStreams: createError('too_many_streams', 'you have as many streams open as are allowed; close one first', 429),
  CursorInvalid: createError('cursor_invalid', 'the cursor is not one that this list has given out', 400),
};

/** The shard has another holder; nothing of the batch was stored. Never leaves the consumer. */
export const LeaseLost = createError<[string]>('lease_lost', 'shard %s has another holder', 500);
