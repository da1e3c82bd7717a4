import type { IncomingMessage } from 'node:http';
import multipart from '@fastify/multipart';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FileContext } from '../app.ts';
import { digestUpload } from './digest-upload.ts';
import { UploadNotMultipart } from '../errors.ts';
import { fileSchema, toFileResource, type FileResource } from '../files/file-resource.ts';
import { formOptions } from './parse-form.ts';
import { receiveUpload } from './receive-upload.ts';

/** How long the rest of a refused upload is swallowed, so that a client that is still sending can read the answer. */
const LINGER_MS = 5_000;

/** POST /api/files: one file in the form field `file`. */
export function uploadFileRoute(server: FileContext): void {
  void server.app.register(async (app) => {
    // Here a form is the only body there is, and its bytes are read by the handler.
    app.removeAllContentTypeParsers();
    await app.register(multipart, formOptions(server.config.UPLOAD_MAX_BYTES));
    app.route({
      method: 'POST',
      url: '/api/files',
      schema: { response: { 201: fileSchema } },
      config: {
        operation: 'file.upload',
        access: { permission: 'files:write' },
        idempotency: 'content',
      },
      async handler(request, reply): Promise<FileResource | FastifyReply> {
        if (request.idempotency?.answered) {
          await request.idempotency.replay(await digest(server, request));
          return reply;
        }
        const file = await uploadFile(server, request);
        reply.code(201).header('location', `/api/files/${file.id}`);
        return file;
      },
    });
  });
}

/** What a repeated upload brings; nothing of it is kept. */
async function digest(server: FileContext, request: FastifyRequest): Promise<string> {
  if (!request.isMultipart()) throw new UploadNotMultipart();
  try {
    return await digestUpload(server.config, request);
  } finally {
    swallowRest(request.raw);
  }
}

async function uploadFile(server: FileContext, request: FastifyRequest): Promise<FileResource> {
  if (!request.isMultipart()) throw new UploadNotMultipart();
  try {
    return toFileResource(await receiveUpload(server, request));
  } finally {
    swallowRest(request.raw);
  }
}

function swallowRest(body: IncomingMessage): void {
  if (body.readableEnded || body.destroyed) return;
  // From the parser too, which would hold it back.
  body.unpipe();
  body.on('error', () => undefined).resume();
  setTimeout(() => {
    if (!body.complete) body.destroy();
  }, LINGER_MS).unref();
}
