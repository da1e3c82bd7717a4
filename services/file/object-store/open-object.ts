import { Readable } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { ByteRange } from './byte-range.ts';
import type { ObjectStore } from './object-store.ts';
import { attempt } from './unavailable.ts';

/** Opens an object as a stream with back-pressure. @throws ObjectStoreUnavailable or S3's error */
export async function openObject(
  { s3, bucket }: ObjectStore,
  object: { object_key: string; object_version: string | null; etag: string },
  range: ByteRange | undefined,
): Promise<Readable> {
  const { Body: body } = await attempt(() =>
    s3.send(
      new GetObjectCommand({
        Bucket: bucket,
        Key: object.object_key,
        // Only the bytes that the row describes.
        IfMatch: object.etag,
        ...(object.object_version !== null && { VersionId: object.object_version }),
        ...(range && { Range: `bytes=${range.start}-${range.end}` }),
      }),
    ),
  );
  if (!(body instanceof Readable)) throw new Error('S3 gave no body');
  return body;
}
