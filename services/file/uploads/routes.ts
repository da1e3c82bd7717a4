import multipart from '@fastify/multipart';
import { defineFeature } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { formOptions } from './parse-form.ts';
import { uploadFile } from './upload-file.ts';

/** Uploads: bytes on their way into a file. */
export const uploads = defineFeature<FileContext>({
  async plugins(app, { config }) {
    // A form is the only body here, and the handler reads its bytes.
    app.removeAllContentTypeParsers();
    await app.register(multipart, formOptions(config.UPLOAD_MAX_BYTES));
  },
  signedIn: [uploadFile],
});
