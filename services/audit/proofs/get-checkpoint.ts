import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { CheckpointPending } from '../errors.ts';

/** `GET /api/audit/checkpoint`: the newest signed head of the log, a C2SP tlog-checkpoint note. */
export function getCheckpointRoute({ app, tree }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/checkpoint',
    schema: { response: { 200: Type.String() } },
    config: {
      operation: 'audit.checkpoint',
      access: { permission: 'audit:read-own', viewer: true },
    },
    handler: async (_request, reply) => {
      const checkpoint = await tree.latestCheckpoint();
      if (!checkpoint) throw new CheckpointPending();
      reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store');
      return checkpoint.note;
    },
  });
}
