import type { FastifyRequest } from 'fastify';
import { roleMay } from '@muniment/security';
import type { AuditServer } from './audit-server.ts';
import type { Reader } from './reader.ts';

/** Whether the caller of an answer that lasts may still read what it was begun for: the session or token counts, and an administrator is one still. */
export async function stillReads(
  { sessions, viewerCounts }: Pick<AuditServer, 'sessions' | 'viewerCounts'>, { principal }: Pick<FastifyRequest, 'principal'>, reader: Reader, { fresh = false }: { fresh?: boolean } = {},
): Promise<boolean> {
  if (reader.kind === 'viewer') return viewerCounts(reader.tokenId);
  const session = principal && await sessions.isLive(principal.sessionId, { fresh });
  return session?.live === true && session.userId === reader.userId && (reader.kind === 'user' || roleMay(session.role, 'audit:read-all'));
}
