import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { bucket } from './s3-server.ts';

/** Starts a multipart upload and returns its id. */
export async function begin(client: S3Client, Key: string, more: object = {}): Promise<string> {
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({ Bucket: bucket, Key, ...more }),
  );
  return UploadId;
}

export async function part(
  client: S3Client,
  Key: string,
  UploadId: string,
  PartNumber: number,
  Body: Buffer,
): Promise<CompletedPart> {
  const { ETag } = await client.send(
    new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber, Body }),
  );
  return { PartNumber, ETag };
}

export const complete = (
  client: S3Client,
  Key: string,
  UploadId: string,
  Parts: CompletedPart[],
  more: object = {},
): Promise<{ ETag?: string | undefined }> =>
  client.send(
    new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts },
      ...more,
    }),
  );
