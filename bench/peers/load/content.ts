import { randomBytes } from 'node:crypto';
import { fixedBytes } from '../apps/fixed-bytes.ts';

export type FileSize = '64k' | '16m';

export const BYTES: Record<FileSize, number> = { '64k': 64 * 1024, '16m': 16 * 1024 * 1024 };

/** What each download must answer. */
export const FIXED: Record<FileSize, Buffer> = {
  '64k': fixedBytes(BYTES['64k']),
  '16m': fixedBytes(BYTES['16m']),
};

const BOUNDARY = 'bench-5f0c1e7a9d3b4826';
const NONCE = randomBytes(4);

export interface UploadBody {
  body: Buffer;
  contentType: string;
  /** The part of `body` that is the file. */
  content: Buffer;
}

/** A file as the body itself, or as the field `file` of a form. */
export function uploadBody(
  form: 'raw' | 'multipart',
  content: Buffer,
  filename: string,
): UploadBody {
  if (form === 'raw') {
    const body = Buffer.from(content);
    return { body, content: body, contentType: 'application/octet-stream' };
  }
  const head = Buffer.from(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  );
  const body = Buffer.concat([head, content, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
  return {
    body,
    content: body.subarray(head.length, head.length + content.length),
    contentType: `multipart/form-data; boundary=${BOUNDARY}`,
  };
}

/** Changes the first bytes, so that no two uploads are alike. */
export function makeUnique({ content }: UploadBody, worker: number, count: number): void {
  NONCE.copy(content);
  content.writeUInt32LE(worker, 4);
  content.writeDoubleLE(count, 8);
}
