import type { FastifyRequest } from 'fastify';
import { isAllowed } from '@muniment/security';
import type { AuditContext } from '../context.ts';
import type { Reader } from './reader.ts';

/**
 * Whether the caller of an answer that lasts may still read what it was begun for: the session or token counts, and an administrator is one still.
 * @returns the moment of which that is known, by the monotonic clock; undefined when they may not
 */
export async function revalidateReader(
  {
    revalidatePrincipal,
    isViewerTokenValid,
  }: Pick<AuditContext, 'revalidatePrincipal' | 'isViewerTokenValid'>,
  { principal }: Pick<FastifyRequest, 'principal'>,
  reader: Reader,
): Promise<number | undefined> {
  if (reader.kind === 'viewer') {
    const askedAt = performance.now();
    return (await isViewerTokenValid(reader.tokenId)) ? askedAt : undefined;
  }
  const now = principal && (await revalidatePrincipal(principal));
  return now &&
    isAllowed(now.principal, reader.kind === 'user' ? 'audit:read-own' : 'audit:read-all')
    ? now.asOf
    : undefined;
}
