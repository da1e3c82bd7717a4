import { isAllowed, principalOf } from '@muniment/security';
import { defineRoute, idParams } from '@muniment/server';
import type { FileContext } from '../context.ts';
import {
  FILE_ANSWERS,
  FILE_HEADERS,
  sendFile,
  type DownloadContext,
} from '../downloads/send-file.ts';
import { FileNotFound, ObjectStoreUnavailable, RangeNotSatisfiable } from '../errors.ts';
import { findProfileFile } from './profile-file-queries.ts';

/** The logo of a profile that the caller sees: any of an active vendor. */
export const getVendorLogo = defineRoute({
  method: ['GET', 'HEAD'],
  url: '/api/files/vendor-logos/:id',
  operation: 'profile-files.get_vendor_logo',
  summary: 'Download the logo of a vendor profile, by the id of the profile.',
  access: { permission: 'vendor-profiles:read' },
  params: idParams,
  response: FILE_ANSWERS,
  sends: FILE_HEADERS,
  errors: [FileNotFound, ObjectStoreUnavailable, RangeNotSatisfiable],
  preconditions: 'handler',
  handler: (context: DownloadContext & Pick<FileContext, 'data'>) => async (request, reply) => {
    const principal = principalOf(request);
    const file = await findProfileFile(context.data.db, request.params.id, 'logo');
    const isVisible =
      file?.is_listed === true ||
      file?.user_id === principal.id ||
      isAllowed(principal, 'directory:read');
    if (!file || !isVisible) throw new FileNotFound();
    return sendFile(context, request, { reply, file });
  },
});
