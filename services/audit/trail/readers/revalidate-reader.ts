import type { FastifyRequest } from 'fastify';
import { isAllowed } from '@muniment/security';
import type { AuditContext } from '../../context.ts';
import type { Reader } from './reader.ts';

/**
 * Whether the caller of a long answer may still read it: the session or token is valid, and an
 * administrator is still one.
 * @returns the moment of that knowledge, by the monotonic clock; undefined when they may not
 */
export async function revalidateReader(
  { auth, isViewerTokenValid }: Pick<AuditContext, 'auth' | 'isViewerTokenValid'>,
  { principal }: Pick<FastifyRequest, 'principal'>,
  reader: Reader,
): Promise<number | undefined> {
  if (reader.kind === 'viewer') {
    const askedAt = performance.now();
    return (await isViewerTokenValid(reader.tokenId)) ? askedAt : undefined;
  }
  const current = principal && (await auth.revalidate(principal));
  const permission = reader.kind === 'user' ? 'audit:read-own' : 'audit:read-all';
  return current && isAllowed(current.principal, permission) ? current.asOf : undefined;
}
