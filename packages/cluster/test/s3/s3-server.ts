import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { startS3, type S3Server } from '../../src/s3/start-s3.ts';

export const credentials = { accessKeyId: 'local', secretAccessKey: 'local-secret' };
export const bucket = 'muniment-files';

/** A client of the real SDK for a server at `endpoint`. */
export function createClient(t: Test, endpoint: string, config: S3ClientConfig = {}): S3Client {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 2000 }),
    ...config,
  });
  t.teardown(() => client.destroy());
  return client;
}

/** A temporary folder, deleted after the test. */
export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 's3-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a server with one bucket, and a client for it. */
export async function build(t: Test): Promise<S3Server & { dir: string; client: S3Client }> {
  const dir = await temporaryFolder(t);
  const server = await startS3({ dir, buckets: [bucket], ...credentials, durable: false });
  t.teardown(() => server.stop());
  return { ...server, dir, client: createClient(t, server.endpoint) };
}

/** The status and code of a call that must fail. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ code: string; status: number | undefined }> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const metadata = '$metadata' in error ? error.$metadata : undefined;
    const status =
      typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
        ? Number(metadata.httpStatusCode)
        : undefined;
    return { code: error.name, status };
  }
  return { code: 'none', status: undefined };
}
