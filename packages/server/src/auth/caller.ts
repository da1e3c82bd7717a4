import { clientNetwork } from '@muniment/security';
import type { FastifyRequest } from 'fastify';

/**
 * The caller by whom requests are limited and idempotency keys are stored: the user, the viewer, or
 * else the network.
 */
export function callerOf({ principal, viewer, ip }: FastifyRequest): string {
  if (principal) return `user:${principal.id}`;
  return viewer ? `viewer:${viewer.tokenId}` : `network:${clientNetwork(ip)}`;
}
