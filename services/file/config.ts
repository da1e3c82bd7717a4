import { Type, type Static } from 'typebox';
import { loadConfig, serverSettings } from '@muniment/server';

const MIB = 1024 ** 2;

const settings = Type.Object({
  ...serverSettings,
  S3_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'Endpoint of the S3 protocol, addressed path-style. Absent: AWS itself.',
    }),
  ),
  S3_BUCKET: Type.String({
    default: 'muniment-files',
    description: 'Bucket of the files. Create it first; no service does.',
  }),
  S3_CONNECT_TIMEOUT_MS: Type.Integer({
    minimum: 50,
    default: 1_000,
    description: 'Maximum time to connect to S3.',
  }),
  S3_REQUEST_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    default: 5_000,
    description:
      'Maximum time of an S3 request. Requests with a body get one more second for each MiB.',
  }),
  UPLOAD_MAX_BYTES: Type.Integer({
    minimum: 1,
    maximum: 5 * 1024 * MIB,
    default: 50 * MIB,
    description: 'Maximum size of a file in a multipart upload.',
  }),
  UPLOAD_BUFFERS: Type.Integer({
    minimum: 2,
    maximum: 256,
    default: 6,
    description: 'Buffers of 5 MiB that all uploads of a replica share.',
  }),
  UPLOAD_QUEUE_TIMEOUT_MS: Type.Integer({
    minimum: 0,
    default: 15_000,
    description: 'Maximum time an upload waits for a buffer before it gets 503.',
  }),
  UPLOAD_IDLE_TIMEOUT_MS: Type.Integer({
    minimum: 10,
    default: 10_000,
    description:
      'Maximum silence of a client within an upload before it gets 408. Less than the ' +
      "gateway's 15 seconds, which end in a reset.",
  }),
  UPLOAD_MIN_BYTES_PER_S: Type.Integer({
    minimum: 0,
    default: 16 * 1024,
    description: 'Minimum rate of an upload while others wait for a buffer. Slower ones get 408.',
  }),
  UPLOAD_ABANDONED_MS: Type.Integer({
    minimum: 1_000,
    default: 120_000,
    description:
      'Time without a heartbeat after which an unfinished upload counts as dead and is ' +
      'cleaned up.',
  }),
  UPLOAD_LATE_MS: Type.Integer({
    minimum: 0,
    default: 600_000,
    description:
      'Time in which S3 may still carry out requests of a failed upload. Cleanup ' +
      'removes its objects again afterwards.',
  }),
  SETTLE_INTERVAL_MS: Type.Integer({
    minimum: 50,
    default: 1_000,
    description:
      'Pause between two rounds that remove the objects of deleted files. At rest it is ten ' +
      'seconds.',
  }),
  DOWNLOAD_MODE: Type.Union([Type.Literal('accel'), Type.Literal('stream')], {
    default: 'accel',
    description:
      'accel: the gateway fetches the bytes from S3 (X-Accel-Redirect). stream: the ' +
      'replica sends them, for deployments without Nginx.',
  }),
  DOWNLOAD_URL_TTL_S: Type.Integer({
    minimum: 1,
    maximum: 3_600,
    default: 60,
    description: 'Lifetime of the presigned URL that the gateway gets.',
  }),
});

export { settings };
export type Config = Readonly<Static<typeof settings>>;

/** Reads the file service's settings. @throws Error naming a missing or malformed variable */
export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
