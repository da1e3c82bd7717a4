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
      'Bucket of the erasure journal, the checkpoints and the archives; not that of the ' +
      'files. It must exist; no service makes it.',
  }),
  AUDIT_KEY_FILE: Type.String({
    description:
      "File with the keys that sign the log's checkpoints, one a line: signing keys, and " +
      'verifier keys of the past. Never in the database.',
  }),
  AUDIT_ORIGIN: Type.String({
    pattern: '^[^\\s+]+$',
    default: 'muniment.local/audit',
    description:
      'Name of the log and of its keys, as it stands in each checkpoint. Unique, like a URL ' +
      'without scheme; never changed.',
  }),
  AUDIT_CHECKPOINT_MS: Type.Integer({
    minimum: 50,
    maximum: 3_600_000,
    default: 1_000,
    description: 'Least time between two signed checkpoints.',
  }),
  AUDIT_CHECKPOINT_LOCK_DAYS: Type.Integer({
    minimum: 1,
    maximum: 36_500,
    default: 365,
    description:
      'For how long nobody can delete a checkpoint from the bucket, where the bucket has ' +
      'object lock (compliance mode).',
  }),
  RECONCILER_DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      writeOnly: true,
      description:
        'PostgreSQL URL with the role audit_reconciler. Absent: rows and events are not compared.',
    }),
  ),
  AUDIT_RETENTION_MONTHS: Type.Integer({
    minimum: 0,
    maximum: 1_200,
    default: 0,
    description:
      'Age in months past which a whole month of the trail is moved into an archive in the ' +
      'bucket. 0 keeps all in the database.',
  }),
  AUDIT_RETENTION_DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      writeOnly: true,
      description:
        'Connection as `audit_retention`, the one role that can take months out of the ' +
        'trail and bring them back. Absent: nothing is moved, whatever the age.',
    }),
  ),
  AUDIT_RETENTION_PAUSE_MS: Type.Integer({
    minimum: 1_000,
    maximum: 86_400_000,
    default: 3_600_000,
    description: 'Pause between two looks for months to archive.',
  }),
  CONSUMER_LEASE_TTL_MS: Type.Integer({
    minimum: 500,
    maximum: 60_000,
    default: 5_000,
    description: 'Silence after which the shards of a consumer are taken over by another.',
  }),
  CONSUMER_POLL_MS: Type.Integer({
    minimum: 200,
    maximum: 10_000,
    default: 210,
    description:
      'Pause between two reads of a shard. Kinesis allows five a second: 200 ms would pass ' +
      'it whenever a read is a little late.',
  }),
  STREAM_MAX: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_000,
    description: 'Live streams of the trail that a replica serves at once.',
  }),
  STREAM_MAX_PER_READER: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 10,
    description: 'Live streams that one reader may have open at a replica.',
  }),
  STREAM_POLL_MS: Type.Integer({
    minimum: 10,
    maximum: 10_000,
    default: 100,
    description: 'Pause between two looks for newly sealed events, while anybody streams.',
  }),
  STREAM_HEARTBEAT_MS: Type.Integer({
    minimum: 100,
    maximum: 60_000,
    default: 15_000,
    description: 'Silence after which a live stream gets a comment, so that proxies keep it open.',
  }),
  STREAM_STALL_MS: Type.Integer({
    minimum: 500,
    maximum: 600_000,
    default: 30_000,
    description: 'Time that a reader of a live stream may take nothing before it is cut off.',
  }),
  WEBHOOK_ALLOW: Type.String({
    default: '',
    description:
      'host:port pairs, comma separated, that webhooks may go to though they speak plain ' +
      'HTTP or have an address that is not public. For development and inner networks.',
  }),
  WEBHOOK_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 60_000,
    default: 15_000,
    description: 'Time that an attempt to deliver a webhook may take in all.',
  }),
  WEBHOOK_POLL_MS: Type.Integer({
    minimum: 10,
    maximum: 10_000,
    default: 250,
    description: 'Pause between two looks for what webhooks are to be given.',
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
      'Time without one success after which a webhook that fails is turned off: five days.',
  }),
  SEALER_LEASE_TTL_MS: Type.Integer({
    minimum: 500,
    maximum: 60_000,
    default: 3_000,
    description: 'Silence after which the sealer is succeeded by another replica.',
  }),
  SEALER_POLL_MS: Type.Integer({
    minimum: 5,
    maximum: 10_000,
    default: 50,
    description:
      'Pause between two looks for stored events to seal. A reader sees an event once it is ' +
      'sealed.',
  }),
  EXPORT_CONCURRENCY: Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 2,
    description:
      'Exports of the trail that this replica runs at once; one more is refused with 503 ' +
      'and Retry-After.',
  }),
  EXPORT_STALL_MS: Type.Integer({
    minimum: 1_000,
    default: 30_000,
    description: 'Time after which an export is cut off whose reader takes nothing.',
  }),
});

export type Config = Static<typeof settings>;

/** Reads the audit service's settings. @throws naming the variable that is missing or malformed */
export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
