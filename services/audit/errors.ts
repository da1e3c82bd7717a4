import { createError, type FastifyError } from '@fastify/error';

/** Also for an entry that the caller may not see: an id reveals nothing. */
export const AuditLogNotFound = createError(
  'audit_log_not_found',
  'You can see no audit log entry with this id.',
  404,
);
export const FilterInvalid = createError<[string]>('filter_invalid', '%s', 400);
export const StreamCapacity = createError(
  'stream_capacity',
  'This replica serves as many streams as it can. Try again shortly.',
  503,
);
export const TooManyStreams = createError(
  'too_many_streams',
  'You have as many streams open as are allowed. Close one first.',
  429,
);
export const TooManyExports = createError(
  'too_many_exports',
  'You have as many exports running as are allowed. Wait for one to end.',
  429,
);
export const TooManyBatches = createError(
  'too_many_batches',
  'You are sending as many large batches as are allowed. Wait for an answer first.',
  429,
);
export const BatchCapacity = createError(
  'batch_capacity',
  'This replica receives as many large batches as it can. Try again shortly.',
  503,
);
export const BatchTimeout = createError(
  'batch_timeout',
  'The batch came too slowly. Send it again, or a smaller one.',
  408,
);
export const CheckpointMissing = createError(
  'checkpoint_missing',
  'The log has no signed checkpoint yet. Try again shortly.',
  503,
);
export const CheckpointPending = createError(
  'checkpoint_pending',
  'The checkpoint over this entry is not signed yet. Try again shortly.',
  503,
);
export const CheckpointNotFound = createError(
  'checkpoint_not_found',
  'No checkpoint of this size was signed. Use the size of a signed one.',
  404,
);
export const SizesReversed = createError(
  'sizes_reversed',
  'The older size is greater than the newer one. Swap them.',
  400,
);
export const TileNotFound = createError(
  'tile_not_found',
  'The log has no such tile, or not that much of it. Check the tree size.',
  404,
);
export const RangeReversed = createError(
  'range_reversed',
  'The range ends before it begins. Swap its ends.',
  400,
);
export const HoleNotLost = createError<[string]>(
  'hole_not_lost',
  'The numbers are not lost: %s.',
  409,
);
export const QuarantineNotFound = createError(
  'quarantine_not_found',
  'There is no quarantined record with this id.',
  404,
);
export const QuarantineForged = createError(
  'quarantine_forged',
  'No outbox has sent this record, so it cannot be replayed.',
  409,
);
export const QuarantineContradicted = createError(
  'quarantine_contradicted',
  'Its number or its id belongs to another event, so it cannot be replayed.',
  409,
);
export const QuarantineUnreadable = createError<[string]>(
  'quarantine_unreadable',
  'The record still does not decode: %s.',
  422,
);
export const QuarantineRefused = createError<[string]>(
  'quarantine_refused',
  'The database still refuses the record: %s.',
  422,
);
export const EventIdReused = createError(
  'event_id_reused',
  'An id belongs to an event with other content. Nothing was recorded; use a new id.',
  409,
);
export const EventTooLarge = createError(
  'event_too_large',
  'An event is larger than 16 KiB. Nothing was recorded; send less.',
  413,
);
export const JournalUnavailable = createError(
  'dependency_unavailable',
  'The erasure journal is out of reach. Nothing was erased; try again shortly.',
  503,
);
export const ViewerTokenNotFound = createError(
  'viewer_token_not_found',
  'There is no valid viewer token with this id.',
  404,
);
export const WebhookNotFound = createError(
  'webhook_not_found',
  'There is no webhook with this id.',
  404,
);
export const WebhookDeliveryNotFound = createError(
  'webhook_delivery_not_found',
  'The webhook has no pending or dead delivery of this event.',
  404,
);
export const WebhookUrlRefused = createError<[string]>(
  'webhook_url_refused',
  'The URL is refused: %s.',
  422,
);
export const TooManyWebhooks = createError(
  'too_many_webhooks',
  'There are as many webhooks as are allowed. Delete one first.',
  409,
);

/**
 * What is stored is not what was signed. Internal to the sealer, which stops sealing and signing
 * until an operator has looked.
 */
export const HistoryAltered = createError<[string]>(
  'history_altered',
  'The log was altered: %s',
  500,
);

/** The tree's head or a lane's cursor has moved: the batch is refused. Internal to the sealer. */
export const TreeMoved = createError<[number]>(
  'tree_moved',
  'The tree of %d leaves was changed by another replica.',
  500,
);

/**
 * The bucket returned another archive than was written; nothing is dropped. Internal to the
 * retention loop and the restore command.
 */
export const ArchiveRefuted = createError<[string, string]>(
  'archive_refuted',
  'The archive %s does not verify: %s',
  500,
);

/** Why a month cannot be restored. Internal to the restore command. */
export const RestoreImpossible = createError<[string]>('restore_impossible', '%s', 500);

/** Whether an error blames the request, not the service. */
export const isClientError = (error: unknown): error is FastifyError =>
  error instanceof Error &&
  'code' in error &&
  'statusCode' in error &&
  typeof error.statusCode === 'number' &&
  error.statusCode < 500;
