import { principalOf, reachOf } from '@muniment/security';
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

/** The certificate of a profile that the caller may change: others never see it. */
export const getVendorCertificate = defineRoute({
  method: ['GET', 'HEAD'],
  url: '/api/files/vendor-certificates/:id',
  operation: 'profile-files.get_vendor_certificate',
  summary: 'Download the certificate of a vendor profile, as its vendor or an administrator.',
  access: { permission: 'vendor-profiles:write' },
  params: idParams,
  response: FILE_ANSWERS,
  sends: FILE_HEADERS,
  errors: [FileNotFound, ObjectStoreUnavailable, RangeNotSatisfiable],
  preconditions: 'handler',
  handler: (context: DownloadContext & Pick<FileContext, 'data'>) => async (request, reply) => {
    const { id, role } = principalOf(request);
    const file = await findProfileFile(context.data.db, request.params.id, 'certificate');
    const isVisible = file?.user_id === id || reachOf(role, 'vendor-profiles:write') === 'any';
    if (!file || !isVisible) throw new FileNotFound();
    return sendFile(context, request, { reply, file });
  },
});
