import { S3Error } from '../protocol/errors.ts';
import type { S3Request } from './request.ts';

/** Fits 10,000 parts with checksums, or 1,000 keys of 1,024 bytes as numeric references. */
const MAX_BYTES = 8 * 1024 ** 2;

/** Reads a verified XML body. @throws MaxMessageLengthExceeded */
export async function readXmlBody(request: S3Request): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const batch of request.payload().batches) {
    for (const chunk of batch) size += chunk.length;
    if (size > MAX_BYTES) throw new S3Error('MaxMessageLengthExceeded');
    chunks.push(...batch);
  }
  return Buffer.concat(chunks).toString();
}
