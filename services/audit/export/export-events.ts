import type { FastifyRequest } from 'fastify';
import { derivedEventId } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';
import type { FilterQuery } from '../trail/filter.ts';
import { describeFilter } from '../trail/log-events.ts';
import type { Reader } from '../trail/readers/reader.ts';

const SCOPES = { user: 'own', all: 'all', viewer: 'tenant' } as const;

/** What is exported: entries behind index `after` of the log at `size` entries. */
export interface ExportedPart {
  format: string;
  filter: FilterQuery;
  reader: Reader;
  size: number;
  after: number | null;
  limit: number | null;
}

/** One per request: the gateway may repeat a GET on another replica, so the id follows from it. */
export function auditExported(
  request: FastifyRequest,
  { format, filter: query, reader, size, after, limit }: ExportedPart,
): RequestEvent {
  const { filter, personal } = describeFilter(query);
  return {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'AUDIT_EXPORTED',
    personal,
    metadata: { format, filter, scope: SCOPES[reader.kind], size, after, limit },
  };
}
