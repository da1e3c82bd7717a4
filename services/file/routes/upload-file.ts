import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { FileServer } from '../app.ts';
import { UploadNotMultipart } from '../errors.ts';
import { fileSchema, toFileResource, type FileResource } from '../file-resource.ts';
import { receiveUpload } from '../receive-upload.ts';

/** How long the rest of a refused upload is swallowed, so that a client that is still sending can read the answer. */
const LINGER_MS = 5_000;

/** POST /api/files: one file in the form field `file`. */
export function uploadFileRoute(server: FileServer): void {
  void server.app.register(async (app) => {
    // Here a form is the only body there is, and its bytes are read by the handler.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('multipart/form-data', (_request, _body, done) => done(null));
    app.route({
      method: 'POST',
      url: '/api/files',
      schema: { response: { 201: fileSchema } },
      config: { operation: 'file.upload', access: { permission: 'files:write' } },
      async handler(request, reply): Promise<FileResource> {
        const file = await uploadFile(server, request);
        reply.code(201).header('location', `/api/files/${file.id}`);
        return file;
      },
    });
  });
}

async function uploadFile(server: FileServer, request: FastifyRequest): Promise<FileResource> {
  if (request.headers['content-type'] === undefined) throw new UploadNotMultipart();
  try {
    return toFileResource(await receiveUpload(server, request));
  } finally {
    swallowRest(request.raw);
  }
}

function swallowRest(body: IncomingMessage): void {
  if (body.readableEnded || body.destroyed) return;
  body.on('error', () => undefined).resume();
  setTimeout(() => {
    if (!body.complete) body.destroy();
  }, LINGER_MS).unref();
}
