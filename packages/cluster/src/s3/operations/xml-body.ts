import { S3Error } from '../protocol/errors.ts';
import type { S3Request } from './request.ts';

/** Room for 10,000 parts with checksums, or 1,000 keys of 1,024 bytes with each byte as a reference. */
const maxBytes = 8 * 1024 ** 2;

/** The verified body of a request whose body is an XML document. */
export async function readXmlBody(request: S3Request): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.payload().chunks) {
    size += chunk.length;
    if (size > maxBytes) throw new S3Error('MaxMessageLengthExceeded');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
