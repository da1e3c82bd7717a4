import type { FastifyReply, FastifyRequest } from 'fastify';
import { create as contentDisposition } from 'content-disposition';
import { derivedEventId } from '@muniment/audit-events';
import { principalOf } from '@muniment/security';
import { isNotModified, isRangeAllowed, rawBody, validatorFields } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { FileNotFound, RangeNotSatisfiable } from '../errors.ts';
import { fileDownloaded } from '../files/file-events.ts';
import { fileValidators } from '../files/file-resource.ts';
import { servedMediaType } from '../files/media-type.ts';
import { parseRange, type ByteRange } from '../object-store/byte-range.ts';
import { openObject } from '../object-store/open-object.ts';
import type { ReadyFile } from '../tables.ts';

export type DownloadContext = Pick<
  FileContext,
  'findFile' | 'audit' | 'config' | 'store' | 'presign'
>;

/** The answers of each route that sends a file. */
export const FILE_ANSWERS = {
  200: rawBody('The bytes of the file.', '*/*'),
  206: rawBody('The bytes of the range.', '*/*'),
  304: rawBody('The client has the current bytes.'),
};

const SENT_WITH_BYTES = ['Accept-Ranges', 'Content-Disposition', 'ETag', 'Last-Modified'] as const;

/** The headers of those answers. */
export const FILE_HEADERS = {
  200: SENT_WITH_BYTES,
  206: [...SENT_WITH_BYTES, 'Content-Range'],
  304: ['Content-Disposition', 'ETag', 'Last-Modified'],
} as const;

/** Sends a file that the caller may read, or a range of it, or 304 (RFC 9110 §13, §14). */
export async function sendFile(
  context: DownloadContext,
  request: FastifyRequest,
  { reply, file }: { reply: FastifyReply; file: ReadyFile },
): Promise<FastifyReply> {
  const validators = fileValidators(file);
  // Throws PreconditionFailed for If-Match and If-Unmodified-Since.
  if (isNotModified(request, validators))
    return (
      reply
        .code(304)
        // A cache updates what it holds by these (RFC 9111 §4.3.4), the name of a renamed file too.
        .headers({
          ...validatorHeaders(file),
          'content-disposition': contentDisposition(file.name),
        })
        .send()
    );
  // RFC 9110 §14.2 defines Range for GET alone.
  if (request.method === 'HEAD') return answerHead(reply, file);
  const range = isRangeAllowed(request.headers['if-range'], validators)
    ? readRange(request.headers.range, file)
    : undefined;
  return context.config.DOWNLOAD_MODE === 'accel'
    ? sendByGateway(context, request, { reply, file, range })
    : sendStream(context, request, { reply, file, range });
}

/** Browsers ask each time, so revocations and deletions take effect at once. */
const CACHE_CONTROL = 'private, no-cache';

const validatorHeaders = (file: ReadyFile) => ({
  ...validatorFields(fileValidators(file)),
  'cache-control': CACHE_CONTROL,
});

const contentHeaders = (file: ReadyFile) => ({
  'content-type': servedMediaType(file.mime_type),
  // Rendered files get no scripts and not our origin.
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
});

function answerHead(reply: FastifyReply, file: ReadyFile): FastifyReply {
  return reply
    .headers({
      ...validatorHeaders(file),
      ...contentHeaders(file),
      'content-disposition': contentDisposition(file.name),
      'accept-ranges': 'bytes',
      'content-length': file.size,
    })
    .send();
}

function readRange(header: string | undefined, { size, etag }: ReadyFile): ByteRange | undefined {
  const range = parseRange(header, size);
  if (range !== 'unsatisfiable') return range;
  const headers = { 'content-range': `bytes */${size}`, etag };
  throw Object.assign(new RangeNotSatisfiable(), { headers });
}

interface Answer {
  reply: FastifyReply;
  file: ReadyFile;
  range: ByteRange | undefined;
}

/**
 * Commits the event before the answer's first byte. Retried requests derive the same event id.
 * Headers of the file are set behind it: where it fails, the problem must not carry them.
 */
async function recordDownload(
  { audit }: Pick<FileContext, 'audit'>,
  request: FastifyRequest,
  { file, range }: Answer,
): Promise<void> {
  const event = fileDownloaded(file, {
    id: derivedEventId(request.id, request.startedAtMs),
    range,
    readerId: principalOf(request).id,
  });
  await audit.record(request, event);
}

/** Nginx fetches the bytes from S3 by a URL that only it sees. */
async function sendByGateway(
  context: DownloadContext,
  request: FastifyRequest,
  answer: Answer,
): Promise<FastifyReply> {
  const { reply, file, range } = answer;
  const location = await context.presign(file.object_key, file.object_version);
  await recordDownload(context, request, answer);
  // Under their plain names Nginx would also send these with its own error when S3 fails.
  reply
    .headers({ ...validatorHeaders(file), ...contentHeaders(file) })
    .removeHeader('cache-control')
    .headers({
      'x-accel-content-disposition': contentDisposition(file.name),
      'x-accel-cache-control': CACHE_CONTROL,
      'x-accel-redirect': `/_s3${location}`,
    });
  if (range) reply.header('x-accel-range', `bytes=${range.start}-${range.end}`);
  return reply.send();
}

/** This replica passes the bytes on, for a deployment without Nginx. */
async function sendStream(
  context: DownloadContext,
  request: FastifyRequest,
  answer: Answer,
): Promise<FastifyReply> {
  const { reply, file, range } = answer;
  const bytes = await openBytes(context, answer);
  try {
    await recordDownload(context, request, answer);
  } catch (error) {
    bytes.destroy();
    throw error;
  }
  if (range)
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${file.size}`);
  return reply
    .headers({
      ...validatorHeaders(file),
      ...contentHeaders(file),
      'content-disposition': contentDisposition(file.name),
      'accept-ranges': 'bytes',
      'content-length': range ? range.end - range.start + 1 : file.size,
    })
    .send(bytes);
}

async function openBytes(
  { store, findFile }: Pick<FileContext, 'store' | 'findFile'>,
  { file, range }: Answer,
): Promise<Awaited<ReturnType<typeof openObject>>> {
  try {
    return await openObject(store, file, range);
  } catch (error) {
    // The file may have been deleted and purged since its row was read.
    const found = await findFile({ userId: file.user_id, id: file.id });
    if (!found) throw new FileNotFound();
    throw error;
  }
}
