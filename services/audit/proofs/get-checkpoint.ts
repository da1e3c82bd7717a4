import { defineRoute, rawBody } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { CheckpointPending } from '../errors.ts';

export const getCheckpoint = defineRoute({
  method: 'GET',
  url: '/api/audit/checkpoint',
  operation: 'proofs.get_checkpoint',
  summary: 'Get the newest signed head of the log.',
  access: { permission: 'audit:read-own', viewer: true },
  response: { 200: rawBody('A signed note (C2SP tlog-checkpoint).', 'text/plain') },
  errors: [CheckpointPending],
  handler:
    ({ tree }: Pick<AuditContext, 'tree'>) =>
    async (_request, reply) => {
      const checkpoint = await tree.latestCheckpoint();
      if (!checkpoint) throw new CheckpointPending();
      reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store');
      return checkpoint.note;
    },
});
