import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { create as contentDisposition } from 'content-disposition';
import { derivedEventId } from '@muniment/audit-events';
import { principalOf } from '@muniment/security';
import type { FileContext } from '../app.ts';
import { parseRange, type ByteRange } from '../object-store/byte-range.ts';
import { ifRangeHolds, isNotModified } from './preconditions.ts';
import { FileNotFound, RangeNotSatisfiable } from '../errors.ts';
import { fileParams } from '../files/file-resource.ts';
import { servedMediaType } from '../files/media-type.ts';
import { findReadyFile } from '../files/file-queries.ts';
import { openObject } from '../object-store/open-object.ts';
import type { ReadyFile } from '../tables.ts';

type Download = FastifyRequest<{ Params: Static<typeof fileParams> }>;

/** GET and HEAD /api/files/:id: the bytes. */
export function downloadFileRoute(server: FileContext): void {
  server.app.route({
    method: ['GET', 'HEAD'],
    url: '/api/files/:id',
    schema: { params: fileParams },
    config: { operation: 'file.download', access: { permission: 'files:read' } },
    handler: (request, reply) => downloadFile(server, request, reply),
  });
}

async function downloadFile(
  server: FileContext,
  request: Download,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await findReadyFile(server.db, principalOf(request).id, request.params.id);
  if (!file) throw new FileNotFound();
  const validators = { etag: file.etag, lastModified: file.created };
  // no-cache: a browser may keep the bytes but asks each time, so that a revoked session or a deleted file bites at once.
  const shared = {
    etag: file.etag,
    'last-modified': file.created.toUTCString(),
    'cache-control': 'private, no-cache',
  };
  if (isNotModified(request.headers, validators)) return reply.code(304).headers(shared).send();

  // RFC 9110 §14.2 defines Range for GET alone: a HEAD answers for the whole.
  const isGet = request.method === 'GET';
  const range =
    isGet && ifRangeHolds(request.headers['if-range'], validators)
      ? parseRange(request.headers.range, file.size)
      : undefined;
  if (range === 'unsatisfiable')
    throw Object.assign(new RangeNotSatisfiable(), {
      headers: { 'content-range': `bytes */${file.size}`, etag: file.etag },
    });

  const viaGateway = isGet && server.config.DOWNLOAD_MODE === 'accel';
  reply.headers({
    ...shared,
    'content-type': servedMediaType(file.mime_type),
    // Should a browser render it all the same, then without scripts and without our origin.
    'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  });
  const onSuccess = {
    'content-disposition': contentDisposition(file.name),
    'cache-control': shared['cache-control'],
  };
  if (viaGateway) {
    // By their own names nginx would keep these even where S3 fails it and it answers a problem.
    for (const [name, value] of Object.entries(onSuccess))
      reply.removeHeader(name).header(`x-accel-${name}`, value);
  } else {
    reply.headers({ ...onSuccess, 'accept-ranges': 'bytes' });
  }
  if (!isGet) return reply.header('content-length', file.size).send();
  return viaGateway
    ? handToGateway(server, request, reply, file, range)
    : passOn(server, request, reply, file, range);
}

/** Committed when the promise resolves. A GET that the gateway retries on another replica has the same id, and stays one event. */
async function recordDownload(
  { recordFor }: FileContext,
  request: Download,
  file: ReadyFile,
  range: ByteRange | undefined,
): Promise<void> {
  await recordFor(request, {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'FILE_DOWNLOAD',
    resource: file.id,
    resource_type: 'file',
    personal: { filename: file.name },
    metadata: { size: file.size, ...(range && { first_byte: range.start, last_byte: range.end }) },
  });
}

async function handToGateway(
  server: FileContext,
  request: Download,
  reply: FastifyReply,
  file: ReadyFile,
  range: ByteRange | undefined,
): Promise<FastifyReply> {
  const location = await server.presign(file.object_key, file.object_version);
  await recordDownload(server, request, file, range);
  if (range) reply.header('x-accel-range', `bytes=${range.start}-${range.end}`);
  return reply.header('x-accel-redirect', `/_s3${location}`).send();
}

async function passOn(
  server: FileContext,
  request: Download,
  reply: FastifyReply,
  file: ReadyFile,
  range: ByteRange | undefined,
): Promise<FastifyReply> {
  const bytes = await openObject(server.store, file, range).catch(async (error: unknown) => {
    // Deleted and purged between the look at the row and the look at S3.
    if (!(await findReadyFile(server.db, file.user_id, file.id))) throw new FileNotFound();
    throw error;
  });
  try {
    await recordDownload(server, request, file, range);
  } catch (error) {
    bytes.destroy();
    throw error;
  }
  if (range)
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${file.size}`);
  return reply
    .header('content-length', range ? range.end - range.start + 1 : file.size)
    .send(bytes);
}
