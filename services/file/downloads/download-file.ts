import { principalOf } from '@muniment/security';
import { defineRoute, idParams } from '@muniment/server';
import { FileNotFound, ObjectStoreUnavailable, RangeNotSatisfiable } from '../errors.ts';
import { FILE_ANSWERS, FILE_HEADERS, sendFile, type DownloadContext } from './send-file.ts';

/** Sends a file of the caller's own. */
export const downloadFile = defineRoute({
  method: ['GET', 'HEAD'],
  url: '/api/files/:id',
  operation: 'downloads.download_file',
  summary: 'Download a file, or a range of it.',
  access: { permission: 'files:read' },
  params: idParams,
  response: FILE_ANSWERS,
  sends: FILE_HEADERS,
  errors: [FileNotFound, ObjectStoreUnavailable, RangeNotSatisfiable],
  preconditions: 'handler',
  handler: (context: DownloadContext) => async (request, reply) => {
    const { id: userId } = principalOf(request);
    const file = await context.findFile({ userId, id: request.params.id });
    if (!file) throw new FileNotFound();
    return sendFile(context, request, { reply, file });
  },
});
