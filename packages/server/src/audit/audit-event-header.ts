import type { FastifyReply } from 'fastify';

/** Names the event of a change in its answer, so that a client finds it in the trail. */
export function nameAuditEvent(reply: FastifyReply, eventId: string): void {
  reply.header('audit-event', eventId);
}
