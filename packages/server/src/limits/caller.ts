import { clientNetwork, type Principal, type Viewer } from '@muniment/security';

/** By whom a request or a WebSocket's message is made. */
export interface CallerIdentity {
  principal: Principal | null;
  viewer?: Viewer | null;
  ip: string;
}

export const networkOf = ({ ip }: Pick<CallerIdentity, 'ip'>): string =>
  `network:${clientNetwork(ip)}`;

/**
 * The caller by whom requests are limited and idempotency keys are stored: the user, the viewer, or
 * else the network.
 */
export function callerOf({ principal, viewer, ip }: CallerIdentity): string {
  if (principal) return `user:${principal.id}`;
  return viewer ? `viewer:${viewer.tokenId}` : networkOf({ ip });
}
