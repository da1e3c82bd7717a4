import type { FastifyRequest } from 'fastify';
import type { RecordRequestEvent } from '@muniment/server';
import { auditRead, type Reading } from './log-events.ts';
import type { Reader } from './readers/reader.ts';

/**
 * Records an administrator's reading of the whole trail, committed when the promise resolves: call
 * it before the answer's first byte. Users and tenants who read their own events leave none.
 */
export async function recordReading(
  record: RecordRequestEvent,
  request: FastifyRequest,
  { reader, ...reading }: Reading & { reader: Reader },
): Promise<void> {
  if (reader.kind === 'all') await record(request, auditRead(request, reading));
}
