import { Type, type Static } from 'typebox';
import { loadConfig, serverSettings } from '@muniment/server';

export const settings = Type.Object({
  ...serverSettings,
  AUDIT_S3_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'Endpoint of the S3 protocol, addressed path-style. Absent: AWS itself.',
    }),
  ),
  AUDIT_BUCKET: Type.String({
    default: 'muniment-audit',
    description:
      'Bucket of the erasure journal, checkpoints and archives; not the files bucket. ' +
      'Create it first; no service does.',
  }),
  AUDIT_KEY_FILE: Type.String({
    description:
      'File with the checkpoint signing keys and former verifier keys, one per line. ' +
      'Never in the database.',
  }),
  AUDIT_ORIGIN: Type.String({
    pattern: '^[^\\s+]+$',
    default: 'muniment.local/audit',
    description:
      'Name of the log and its keys, stated in each checkpoint. Unique, like a URL ' +
      'without scheme. Never change it.',
  }),
  AUDIT_CHECKPOINT_MS: Type.Integer({
    minimum: 50,
    maximum: 3_600_000,
    default: 1_000,
    description: 'Minimum time between two signed checkpoints.',
  }),
  AUDIT_CHECKPOINT_LOCK_DAYS: Type.Integer({
    minimum: 1,
    maximum: 36_500,
    default: 365,
    description:
      'Time for which nobody can delete a checkpoint, if the bucket has object lock ' +
      '(compliance mode).',
  }),
  RECONCILER_DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      writeOnly: true,
      description:
        'PostgreSQL URL with the role audit_reconciler. Absent: rows and events are not ' +
        'compared.',
    }),
  ),
  AUDIT_RETENTION_MONTHS: Type.Integer({
    minimum: 0,
    maximum: 1_200,
    default: 0,
    description: 'Age at which a month of the trail moves to an archive in the bucket. 0: never.',
  }),
  AUDIT_RETENTION_DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      writeOnly: true,
      description:
        'PostgreSQL URL with the role audit_retention, which alone moves months to ' +
        'archives and back. Absent: nothing moves.',
    }),
  ),
  AUDIT_RETENTION_PAUSE_MS: Type.Integer({
    minimum: 1_000,
    maximum: 86_400_000,
    default: 3_600_000,
    description: 'Pause between two searches for months to archive.',
  }),
  CONSUMER_LEASE_TTL_MS: Type.Integer({
    minimum: 500,
    maximum: 60_000,
    default: 5_000,
    description: "Silence after which another consumer takes over a consumer's shards.",
  }),
  CONSUMER_POLL_MS: Type.Integer({
    minimum: 200,
    maximum: 10_000,
    default: 210,
    description:
      'Pause between two reads of a shard. Kinesis allows five a second, so a late read ' +
      'would exceed it at 200 ms.',
  }),
  STREAM_MAX: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_000,
    description: 'Maximum live streams of a replica.',
  }),
  STREAM_MAX_PER_READER: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 10,
    description: 'Maximum live streams of one reader at a replica.',
  }),
  STREAM_POLL_MS: Type.Integer({
    minimum: 10,
    maximum: 10_000,
    default: 100,
    description: 'Pause between two polls for sealed events while a live stream is open.',
  }),
  STREAM_HEARTBEAT_MS: Type.Integer({
    minimum: 100,
    maximum: 60_000,
    default: 15_000,
    description: 'Silence after which a live stream gets a comment, so proxies keep it open.',
  }),
  STREAM_STALL_MS: Type.Integer({
    minimum: 500,
    maximum: 600_000,
    default: 30_000,
    description: 'Time after which a live stream is closed whose reader reads nothing.',
  }),
  APP_EVENT_ID_DAYS: Type.Integer({
    minimum: 1,
    maximum: 3_650,
    default: 30,
    description:
      "Days in which a repeated id of a customer's own event is the same event. Later it is a new " +
      'one.',
  }),
  WEBHOOK_ALLOW: Type.String({
    default: '',
    description:
      'host:port pairs, comma separated, that webhooks may reach by plain HTTP or at ' +
      'private addresses. For development and inner networks.',
  }),
  WEBHOOK_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 60_000,
    default: 15_000,
    description: 'Maximum time of an attempt to deliver a webhook.',
  }),
  WEBHOOK_POLL_MS: Type.Integer({
    minimum: 10,
    maximum: 10_000,
    default: 250,
    description: 'Pause between two polls for webhook deliveries.',
  }),
  WEBHOOK_LEASE_TTL_MS: Type.Integer({
    minimum: 500,
    maximum: 60_000,
    default: 5_000,
    description: 'Silence after which another replica delivers webhooks.',
  }),
  WEBHOOK_DISABLE_AFTER_MS: Type.Integer({
    minimum: 1_000,
    maximum: 2_592_000_000,
    default: 432_000_000,
    description:
      'Time without a success after which a failing webhook is disabled; five days by ' +
      'default.',
  }),
  SEALER_LEASE_TTL_MS: Type.Integer({
    minimum: 500,
    maximum: 60_000,
    default: 3_000,
    description: 'Silence after which another replica becomes the sealer.',
  }),
  SEALER_POLL_MS: Type.Integer({
    minimum: 5,
    maximum: 10_000,
    default: 50,
    description:
      'Pause between two polls for events to seal. Readers see an event once it is sealed.',
  }),
  EXPORT_CONCURRENCY: Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 6,
    description:
      'Maximum concurrent exports of a replica. One more takes the place of a slow reader, or ' +
      'gets 503 and Retry-After.',
  }),
  EXPORT_MAX_PER_READER: Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 2,
    description:
      'Maximum concurrent exports of one user, or of the viewers of one tenant, at a replica. ' +
      'One more gets 429 and Retry-After.',
  }),
  EXPORT_MIN_BYTES_PER_S: Type.Integer({
    minimum: 0,
    default: 16 * 1024,
    description: 'Rate below which the reader of an export is slow, over five seconds.',
  }),
  EXPORT_STALL_MS: Type.Integer({
    minimum: 1_000,
    default: 30_000,
    description: 'Time after which an export is closed whose reader reads nothing.',
  }),
});

export type Config = Static<typeof settings>;

/** Reads the audit service's settings. @throws Error naming a missing or malformed variable */
export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
