import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { defineRoute, discardBody, rawBody } from '@muniment/server';
import {
  FileMissing,
  FileTooLarge,
  MultipartMalformed,
  NameInvalid,
  ObjectStoreUnavailable,
  TooManyFiles,
  UnknownField,
  UploadCapacity,
  UploadCutOff,
  UploadNotMultipart,
  UploadSuperseded,
  UploadTimeout,
} from '../errors.ts';
import { fileSchema, toFileResource } from '../files/file-resource.ts';
import { digestUpload } from './digest-upload.ts';
import type { UploadContext } from './file-upload.ts';
import { receiveUpload } from './receive-upload.ts';

const formSchema = Type.Object({ file: rawBody('The file.', 'application/octet-stream') });

/** Stores one file from the form field `file`. */
export const uploadFile = defineRoute({
  method: 'POST',
  url: '/api/files',
  operation: 'uploads.upload_file',
  summary: 'Upload a file as multipart/form-data.',
  access: { permission: 'files:write' },
  media: { 'multipart/form-data': formSchema },
  response: { 201: fileSchema },
  sends: { 201: ['Location'] },
  errors: [
    FileMissing,
    FileTooLarge,
    MultipartMalformed,
    NameInvalid,
    ObjectStoreUnavailable,
    TooManyFiles,
    UnknownField,
    UploadCapacity,
    UploadCutOff,
    UploadNotMultipart,
    UploadSuperseded,
    UploadTimeout,
  ],
  idempotency: 'content',
  handler: (context: UploadContext) => async (request, reply) => {
    if (request.idempotency?.answered) {
      const content = await readForm(request, () => digestUpload(context.config, request));
      await request.idempotency.replay(content);
      return reply;
    }
    const file = toFileResource(await readForm(request, () => receiveUpload(context, request)));
    reply.code(201).header('location', `/api/files/${file.id}`);
    return file;
  },
});

async function readForm<T>(request: FastifyRequest, read: () => Promise<T>): Promise<T> {
  if (!request.isMultipart()) throw new UploadNotMultipart();
  try {
    return await read();
  } finally {
    discardBody(request.raw);
  }
}
