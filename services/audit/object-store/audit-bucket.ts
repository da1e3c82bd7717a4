import {
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Config } from '../config.ts';

/**
 * The bucket of what must outlive the database: the erasure journal, checkpoints, archives. It is not
 * the files' bucket, so no URL into it is ever given out.
 */
export interface AuditBucket {
  readonly name: string;
  readonly client: S3Client;
  put(key: string, body: string | Uint8Array, contentType?: string): Promise<void>;
  /** Puts a new object. @returns false when the key exists; its object stays */
  putOnce(key: string, body: string | Uint8Array, options?: PutOnceOptions): Promise<boolean>;
  /** Undefined without an object. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** The keys under a prefix, behind `after`, in the order of their bytes. */
  list(prefix: string, after?: string): AsyncGenerator<string>;
  /** The first key under a prefix that is greater than `after`. */
  first(prefix: string, after: string): Promise<string | undefined>;
  /** Whether the bucket has object lock. */
  locks(): Promise<boolean>;
  /** @throws when the bucket is out of reach */
  check(): Promise<unknown>;
  close(): void;
}

export interface PutOnceOptions {
  contentType?: string;
  /** Locks the object until then, for every account. It needs a bucket that `locks`. */
  retainUntil?: Date | undefined;
}

interface Bucket {
  client: S3Client;
  name: string;
}

type BucketConfig = Pick<
  Config,
  | 'AUDIT_BUCKET'
  | 'AUDIT_S3_ENDPOINT'
  | 'AWS_REGION'
  | 'AWS_ACCESS_KEY_ID'
  | 'AWS_SECRET_ACCESS_KEY'
>;

const TIMEOUT_MS = 5_000;
const DEFAULT_TYPE = 'application/octet-stream';

/** Opens the audit bucket. The client connects on first use. */
export function openAuditBucket(config: BucketConfig): AuditBucket {
  const client = createClient(config);
  const name = config.AUDIT_BUCKET;
  const bucket = { client, name };
  return {
    name,
    client,
    async put(Key, Body, ContentType = DEFAULT_TYPE) {
      await client.send(new PutObjectCommand({ Bucket: name, Key, Body, ContentType }));
    },
    putOnce: (key, body, options) => putOnce(bucket, { key, body }, options),
    get: (key) => getObject(bucket, key),
    list: (prefix, after) => listKeys(bucket, prefix, after),
    async first(Prefix, StartAfter) {
      const page = { Bucket: name, Prefix, StartAfter, MaxKeys: 1 };
      const { Contents } = await client.send(new ListObjectsV2Command(page));
      return Contents?.[0]?.Key;
    },
    locks: () => hasObjectLock(bucket),
    check: () => client.send(new HeadBucketCommand({ Bucket: name })),
    close: () => client.destroy(),
  };
}

function createClient(config: BucketConfig): S3Client {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = config;
  return new S3Client({
    region: config.AWS_REGION,
    ...(config.AUDIT_S3_ENDPOINT !== undefined && { endpoint: config.AUDIT_S3_ENDPOINT }),
    forcePathStyle: true,
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      // It ends with the headers of an answer. Only socketTimeout ends an object that stops half way.
      requestTimeout: TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: TIMEOUT_MS,
    }),
  });
}

async function putOnce(
  { client, name }: Bucket,
  { key, body }: { key: string; body: string | Uint8Array },
  { contentType = DEFAULT_TYPE, retainUntil }: PutOnceOptions = {},
): Promise<boolean> {
  const command = new PutObjectCommand({
    Bucket: name,
    Key: key,
    Body: body,
    ContentType: contentType,
    IfNoneMatch: '*',
    ...(retainUntil && { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: retainUntil }),
  });
  try {
    await client.send(command);
    return true;
  } catch (error) {
    if (hasStatus(error, [412])) return false;
    throw error;
  }
}

async function getObject({ client, name }: Bucket, key: string): Promise<Uint8Array | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: name, Key: key }));
    return await Body?.transformToByteArray();
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

async function* listKeys(
  { client, name }: Bucket,
  prefix: string,
  after: string | undefined,
): AsyncGenerator<string> {
  const start = after === undefined ? {} : { StartAfter: after };
  let token: string | undefined;
  do {
    const place = token === undefined ? start : { ContinuationToken: token };
    const command = new ListObjectsV2Command({ Bucket: name, Prefix: prefix, ...place });
    const page = await client.send(command);
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key;
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

async function hasObjectLock({ client, name }: Bucket): Promise<boolean> {
  try {
    const command = new GetObjectLockConfigurationCommand({ Bucket: name });
    const { ObjectLockConfiguration: lock } = await client.send(command);
    return lock?.ObjectLockEnabled === 'Enabled';
  } catch (error) {
    // A bucket without object lock answers 404; a server without the feature 501 or 400.
    if (hasStatus(error, [400, 404, 501])) return false;
    throw error;
  }
}

const hasStatus = (error: unknown, statuses: readonly number[]): boolean =>
  error instanceof S3ServiceException && statuses.includes(error.$metadata.httpStatusCode ?? 0);
