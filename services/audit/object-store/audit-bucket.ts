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
 * The bucket in which the audit service keeps what must outlive the database, or convict it: the journal of erasures under `erasures/`,
 * checkpoints, archives. Apart from the files' bucket, since nobody is ever given a URL into this one.
 */
export interface AuditBucket {
  readonly name: string;
  readonly client: S3Client;
  put(key: string, body: string | Uint8Array, contentType?: string): Promise<void>;
  /** As `put`, but what is there stays. @returns false when there was something. @param retainUntil locks the object until then, for everybody; only where the bucket `locks` */
  putOnce(
    key: string,
    body: string | Uint8Array,
    contentType?: string,
    retainUntil?: Date,
  ): Promise<boolean>;
  /** undefined when there is no such object. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keys under a prefix in the order of their bytes, a page at a time. */
  list(prefix: string, after?: string): AsyncGenerator<string>;
  /** The first key under a prefix that is greater than `after`. */
  first(prefix: string, after: string): Promise<string | undefined>;
  /** Whether the bucket has object lock. */
  locks(): Promise<boolean>;
  /** @throws when the bucket is out of reach */
  check(): Promise<unknown>;
  close(): void;
}

const TIMEOUT_MS = 5_000;

/** A client of the audit bucket. It connects when it is first used. */
export function openAuditBucket(
  config: Pick<
    Config,
    | 'AUDIT_BUCKET'
    | 'AUDIT_S3_ENDPOINT'
    | 'AWS_REGION'
    | 'AWS_ACCESS_KEY_ID'
    | 'AWS_SECRET_ACCESS_KEY'
  >,
): AuditBucket {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AUDIT_BUCKET: Bucket,
  } = config;
  const client = new S3Client({
    region: config.AWS_REGION,
    ...(config.AUDIT_S3_ENDPOINT !== undefined && { endpoint: config.AUDIT_S3_ENDPOINT }),
    forcePathStyle: true,
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
    // requestTimeout ends with the headers of an answer: an object that stops half way is given up by socketTimeout alone.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      requestTimeout: TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: TIMEOUT_MS,
    }),
  });

  return {
    name: Bucket,
    client,
    async put(Key, Body, ContentType = 'application/octet-stream') {
      await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentType }));
    },
    async putOnce(Key, Body, ContentType = 'application/octet-stream', retainUntil) {
      try {
        await client.send(
          new PutObjectCommand({
            Bucket,
            Key,
            Body,
            ContentType,
            IfNoneMatch: '*',
            ...(retainUntil && {
              ObjectLockMode: 'COMPLIANCE',
              ObjectLockRetainUntilDate: retainUntil,
            }),
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412)
          return false;
        throw error;
      }
    },
    async get(Key) {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
        return await Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    async *list(Prefix, after) {
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix,
            ...(token === undefined
              ? after !== undefined && { StartAfter: after }
              : { ContinuationToken: token }),
          }),
        );
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key;
        token = page.NextContinuationToken;
      } while (token !== undefined);
    },
    async first(Prefix, after) {
      const { Contents } = await client.send(
        new ListObjectsV2Command({ Bucket, Prefix, StartAfter: after, MaxKeys: 1 }),
      );
      return Contents?.[0]?.Key;
    },
    async locks() {
      try {
        const { ObjectLockConfiguration: lock } = await client.send(
          new GetObjectLockConfigurationCommand({ Bucket }),
        );
        return lock?.ObjectLockEnabled === 'Enabled';
      } catch (error) {
        // A bucket without one answers 404; a server that knows of none, 501 or 400.
        if (
          error instanceof S3ServiceException &&
          [400, 404, 501].includes(error.$metadata.httpStatusCode ?? 0)
        )
          return false;
        throw error;
      }
    },
    check: () => client.send(new HeadBucketCommand({ Bucket })),
    close: () => client.destroy(),
  };
}
