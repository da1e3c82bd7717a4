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
    description: 'Bucket of the files. It must exist; no service makes it.',
  }),
  S3_CONNECT_TIMEOUT_MS: Type.Integer({
    minimum: 50,
    default: 1_000,
    description: 'Time in which a connection to S3 must stand.',
  }),
  S3_REQUEST_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    default: 5_000,
    description:
      'Time in which S3 must have answered one request; one that brings bytes has a second more for each MiB.',
  }),
  UPLOAD_MAX_BYTES: Type.Integer({
    minimum: 1,
    maximum: 5 * 1024 * MIB,
    default: 50 * MIB,
    description: 'Largest file that one multipart upload may bring.',
  }),
  UPLOAD_BUFFERS: Type.Integer({
    minimum: 2,
    maximum: 256,
    default: 6,
    description: 'Buffers of 5 MiB that all uploads of the replica share.',
  }),
  UPLOAD_QUEUE_TIMEOUT_MS: Type.Integer({
    minimum: 0,
    default: 15_000,
    description: 'Time an upload may wait for a buffer before it is answered 503.',
  }),
  UPLOAD_IDLE_TIMEOUT_MS: Type.Integer({
    minimum: 10,
    default: 30_000,
    description:
      'Time a client may stay silent in the middle of an upload before it is ended with 408.',
  }),
  UPLOAD_MIN_BYTES_PER_S: Type.Integer({
    minimum: 0,
    default: 16 * 1024,
    description: 'Rate below which an upload is ended with 408 while others wait for a buffer.',
  }),
  UPLOAD_ABANDONED_MS: Type.Integer({
    minimum: 1_000,
    default: 120_000,
    description:
      'Time without a sign of life after which an unfinished upload counts as dead and is cleaned away.',
  }),
  UPLOAD_LATE_MS: Type.Integer({
    minimum: 0,
    default: 600_000,
    description:
      'Time in which S3 may still carry out what an upload that failed asked of it. What was removed before is removed again then.',
  }),
  SETTLE_INTERVAL_MS: Type.Integer({
    minimum: 50,
    default: 1_000,
    description: 'Pause between rounds of removing the objects of deleted files.',
  }),
  DOWNLOAD_MODE: Type.Union([Type.Literal('accel'), Type.Literal('stream')], {
    default: 'accel',
    description:
      'accel: the gateway fetches the bytes from S3 (X-Accel-Redirect). stream: the replica passes them on; for a deployment without Nginx.',
  }),
  DOWNLOAD_URL_TTL_S: Type.Integer({
    minimum: 1,
    maximum: 3_600,
    default: 60,
    description: 'Validity of the presigned URL that the gateway gets.',
  }),
});

export { settings };
export type Config = Readonly<Static<typeof settings>>;

/** Reads the file service's settings. @throws naming the variable that is missing or malformed */
export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
