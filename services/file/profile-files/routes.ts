import multipart from '@fastify/multipart';
import { defineFeature } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { formOptions } from '../uploads/parse-form.ts';
import { getVendorCertificate } from './get-vendor-certificate.ts';
import { getVendorLogo } from './get-vendor-logo.ts';
import { MAX_PARTS } from './read-form.ts';
import { storeForm } from './store-form.ts';

/** The files that vendor profiles name. */
export const profileFiles = defineFeature<FileContext>({
  signedIn: [getVendorLogo, getVendorCertificate],
});

/** For other services: the gateway passes no such path on, and documents do not show it. */
export const serviceCalls = defineFeature<FileContext>({
  async plugins(app, { config }) {
    app.removeAllContentTypeParsers();
    await app.register(multipart, formOptions(config.UPLOAD_MAX_BYTES, MAX_PARTS));
  },
  anyone: [storeForm],
});
