import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { isAllowed, principalOf } from '@muniment/security';
import {
  createWatchedStream,
  defineRoute,
  ExportCapacity,
  rawBody,
  strictObject,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { usersExported } from './changes/directory-events.ts';
import { listEverybody } from './export/list-everybody.ts';
import { userFormats } from './export/user-formats.ts';

const PERMISSION = 'directory:export';
/** Exports at once at a replica, each with a page of users in memory. */
const MAX_EXPORTS = 2;
const RETRY_AFTER_S = 5;
const STALL_MS = 30_000;

const querySchema = strictObject({
  format: Type.Union([Type.Literal('ndjson'), Type.Literal('csv')], { default: 'ndjson' }),
});
const mediaTypes = Object.values(userFormats).map(({ mediaType }) => mediaType);

/**
 * Streams all users in constant memory. A failure, and the end of the caller's session, cut the
 * connection, so an export that ends is whole.
 */
export const exportUsers = defineRoute({
  method: 'GET',
  url: '/api/users/export',
  operation: 'directory.export_users',
  summary: 'Export all users, without passwords, in a form that an import takes.',
  access: { permission: PERMISSION },
  query: querySchema,
  response: { 200: rawBody('The users, by id.', ...mediaTypes) },
  sends: { 200: ['Content-Disposition'] },
  errors: [ExportCapacity],
  preconditions: 'path',
  options: { exposeHeadRoute: false },
  handler: (context: Pick<UserContext, 'audit' | 'auth' | 'data'>) => {
    let running = 0;
    return async (request, reply): Promise<FastifyReply> => {
      if (running >= MAX_EXPORTS)
        throw Object.assign(new ExportCapacity(), { retryAfter: RETRY_AFTER_S });
      running += 1;
      try {
        const { format } = request.query;
        const { mediaType, write } = userFormats[format];
        await context.audit.record(request, usersExported(request, format));
        const { stream } = createWatchedStream(write(listEverybody(context.data.db)), {
          reply,
          stallMs: STALL_MS,
          minBytesPerSecond: 0,
          mayRead: () => mayExport(context, principalOf(request)),
        });
        stream.once('close', () => (running -= 1));
        return reply
          .type(mediaType)
          .header('content-disposition', `attachment; filename="users.${format}"`)
          .send(stream);
      } catch (error) {
        running -= 1;
        throw error;
      }
    };
  },
});

async function mayExport(
  { auth }: Pick<UserContext, 'auth'>,
  caller: ReturnType<typeof principalOf>,
): Promise<boolean> {
  const current = await auth.revalidate(caller);
  return current !== undefined && isAllowed(current.principal, PERMISSION);
}
