import type { FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { defineRoute, discardBody, UPLOAD_ERRORS, uuid } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { FileMissing, UploadNotMultipart } from '../errors.ts';
import { createDigest } from '../uploads/digest-upload.ts';
import { openUpload, type FileUpload, type UploadContext } from '../uploads/file-upload.ts';
import { storeUploads } from '../uploads/receive-upload.ts';
import { insertProfileFile } from './profile-file-queries.ts';
import { formContent, readForm, type Form, type FormGrant, type OpenFile } from './read-form.ts';
import { forwardedRequest, requireServiceCall, serviceCallOf } from './service-call.ts';

const storedFormSchema = Type.Object({
  fields: Type.Array(Type.Array(Type.String())),
  files: Type.Array(
    Type.Object({
      field: Type.String(),
      id: uuid,
      name: Type.String(),
      size: Type.Integer(),
      sha256: Type.String(),
    }),
  ),
});
type StoredForm = Static<typeof storedFormSchema>;

/**
 * Stores the files of a form that the user service forwards, and answers its texts. Not a route of
 * the gateway. All files become ready in one transaction, unclaimed.
 */
export const storeForm = defineRoute({
  method: 'POST',
  url: '/internal/forms',
  operation: 'profile-files.store_form',
  summary: 'Store the files of a form for the user service.',
  // Its own hook asks for the token of a service.
  access: 'public',
  limit: 'service_calls',
  response: { 201: storedFormSchema },
  errors: [FileMissing, UploadNotMultipart, ...UPLOAD_ERRORS],
  idempotency: 'content',
  options: (context: UploadContext & Pick<FileContext, 'auth'>) => ({
    onRequest: requireServiceCall(context, 'store_form'),
  }),
  handler: (context) => async (request, reply) => {
    if (!request.isMultipart()) throw new UploadNotMultipart();
    try {
      if (request.idempotency?.answered) {
        const form = await read(context, request, async () => createDigest());
        await request.idempotency.replay(formContent(form));
        return reply;
      }
      return reply.code(201).send(await store(context, request));
    } finally {
      discardBody(request.raw);
    }
  },
});

const read = (
  { config }: UploadContext,
  request: FastifyRequest,
  open: OpenFile,
  failure = new AbortController(),
): Promise<Form> =>
  readForm(request, {
    grant: serviceCallOf(request).grant as unknown as FormGrant,
    open,
    limits: {
      maxBytes: config.UPLOAD_MAX_BYTES,
      idleMs: config.UPLOAD_IDLE_TIMEOUT_MS,
      signal: failure.signal,
      files: 2,
    },
  });

async function store(context: UploadContext, request: FastifyRequest): Promise<StoredForm> {
  const failure = new AbortController();
  const uploads: FileUpload[] = [];
  let form: Form = { fields: [], files: [] };
  const files = await storeUploads(context, forwardedRequest(request), {
    uploads,
    onReady: (trx, { id }) => insertProfileFile(trx, id),
    async read() {
      const open: OpenFile = async (options) => {
        const upload = await openUpload(context, { ...options, failure });
        uploads.push(upload);
        return upload;
      };
      form = await read(context, request, open, failure);
      request.idempotency?.identify(formContent(form));
    },
  });
  return {
    fields: form.fields,
    files: form.files.map((file, index) => ({ ...file, id: files[index]?.id ?? '' })),
  };
}
