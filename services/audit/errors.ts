import { createError, type FastifyError } from '@fastify/error';

export const AuditErrors = {
  AuditLogNotFound: createError('audit_log_not_found', 'there is no such audit log entry', 404),
  StreamCapacity: createError(
    'stream_capacity',
    'more streams are open than this replica can serve; try again shortly',
    503,
  ),
  WebhookNotFound: createError('webhook_not_found', 'there is no such webhook', 404),
  WebhookDeliveryNotFound: createError(
    'webhook_delivery_not_found',
    'the webhook has no such delivery waiting or dead',
    404,
  ),
  WebhookUrlRefused: createError<[string]>('webhook_url_refused', 'the URL is refused: %s', 422),
  TooManyWebhooks: createError(
    'too_many_webhooks',
    'there are as many webhooks as are allowed; delete one first',
    409,
  ),
  TooManyStreams: createError(
    'too_many_streams',
    'you have as many streams open as are allowed; close one first',
    429,
  ),
  EventIdReused: createError(
    'event_id_reused',
    'an id stands for an event with another content already; nothing was recorded',
    409,
  ),
  EventTooLarge: createError(
    'event_too_large',
    'an event has more than 16 KiB; nothing was recorded',
    413,
  ),
  JournalUnavailable: createError(
    'dependency_unavailable',
    'the journal of erasures is out of reach; nothing was erased',
    503,
  ),
  ViewerTokenNotFound: createError(
    'viewer_token_not_found',
    'there is no such viewer token that still counts',
    404,
  ),
  CheckpointNotFound: createError(
    'checkpoint_not_found',
    'no checkpoint of this size was signed',
    404,
  ),
  CheckpointPending: createError(
    'checkpoint_pending',
    'the checkpoint that holds this entry is not signed yet; try again shortly',
    503,
  ),
  SizesReversed: createError('sizes_reversed', 'the older size is greater than the newer one', 400),
  RangeReversed: createError('range_reversed', 'the range ends before it begins', 400),
  HoleNotLost: createError<[string]>('hole_not_lost', 'the numbers are not lost: %s', 409),
  TileNotFound: createError(
    'tile_not_found',
    'the log has no such tile, or not that much of it',
    404,
  ),
  CursorInvalid: createError(
    'cursor_invalid',
    'the cursor is not one that this list has given out',
    400,
  ),
  QuarantineNotFound: createError(
    'quarantine_not_found',
    'there is no such record in quarantine',
    404,
  ),
  QuarantineForged: createError('quarantine_forged', 'no outbox has sent this record', 409),
  QuarantineContradicted: createError(
    'quarantine_contradicted',
    'its number or its id belongs to another event',
    409,
  ),
  QuarantineUnreadable: createError<[string]>(
    'quarantine_unreadable',
    'the record still does not decode: %s',
    422,
  ),
  QuarantineRefused: createError<[string]>(
    'quarantine_refused',
    'the database still refuses the record: %s',
    422,
  ),
  ExportCapacity: createError(
    'export_capacity',
    'as many exports are running as this replica may run at once; try again shortly',
    503,
  ),
  CheckpointMissing: createError(
    'checkpoint_missing',
    'the log has no signed checkpoint yet; try again shortly',
    503,
  ),
  FilterInvalid: createError<[string]>('filter_invalid', '%s', 400),
};

/** What is stored is not what was signed. Never leaves the sealer, which seals and signs nothing until an operator has looked. */
export const HistoryAltered = createError<[string]>(
  'history_altered',
  'the log was altered: %s',
  500,
);

/** The tree's head or a lane's cursor is not where it was a moment ago: the whole batch is refused. Never leaves the sealer. */
export const TreeMoved = createError<[number]>(
  'tree_moved',
  'the tree of %d leaves was changed by another',
  500,
);

/** What came back from the bucket is not the archive that was written; nothing is dropped. Never leaves the retention loop and the restore command. */
export const ArchiveRefuted = createError<[string, string]>(
  'archive_refuted',
  'the archive %s does not verify: %s',
  500,
);

/** Why a month cannot be brought back. Never leaves the restore command. */
export const RestoreImpossible = createError<[string]>('restore_impossible', '%s', 500);

/** Whether the error says that what was asked for cannot be done, rather than that we failed. */
export const isClientError = (error: unknown): error is FastifyError =>
  error instanceof Error &&
  'code' in error &&
  'statusCode' in error &&
  typeof error.statusCode === 'number' &&
  error.statusCode < 500;
