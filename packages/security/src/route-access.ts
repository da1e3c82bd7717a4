import type { RouteOptions } from 'fastify';
import { isPermission, type Permission } from './permissions.ts';

/** Who may call a route. `viewer` also admits viewer tokens, only to read. */
export type RouteAccess = 'public' | { permission: Permission; viewer?: true };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
}

export const isSafeMethod = (method: string): boolean => method === 'GET' || method === 'HEAD';

/**
 * Keeps the app from starting when a route does not state its access. Use it as an `onRoute` hook.
 */
export function requireStatedAccess(route: RouteOptions): void {
  const access = route.config?.access;
  const { method, url } = route;
  if (typeof access === 'object' && access.viewer && ![method].flat().every(isSafeMethod))
    throw new Error(`route ${String(method)} ${url} would let a viewer token change something`);
  if (access === 'public' || (typeof access === 'object' && isPermission(access.permission)))
    return;
  if (access === undefined && method === 'OPTIONS' && url.endsWith('*')) {
    // @fastify/cors registers OPTIONS *; a preflight carries no credentials (Fetch standard).
    route.config = { ...route.config, access: 'public' };
    return;
  }
  throw new Error(
    `route ${String(method)} ${url} does not say who may call it: ` +
      `set config.access to 'public' or { permission }`,
  );
}
