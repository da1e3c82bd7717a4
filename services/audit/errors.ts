import { createError } from '@fastify/error';

export const AuditErrors = {
  AuditLogNotFound: createError('audit_log_not_found', 'there is no such audit log entry', 404),
  CursorInvalid: createError('cursor_invalid', 'the cursor is not one that this list has given out', 400),
};

/** The shard has another holder; nothing of the batch was stored. Never leaves the consumer. */
export const LeaseLost = createError<[string]>('lease_lost', 'shard %s has another holder', 500);
