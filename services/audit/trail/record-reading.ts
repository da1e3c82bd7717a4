import type { FastifyRequest } from 'fastify';
import { derivedEventId } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import type { FilterQuery } from './filter.ts';
import type { Reader } from './reader.ts';

export interface Reading {
  /** The entry that was read, where it is one. */
  resource?: string;
  filter?: FilterQuery;
  /** The index of the first, where they are named by their indexes. */
  first?: number;
  /** How many entries are answered. */
  count?: number;
}

/** Stands for a personal value that was filtered by. */
const PERSONAL = '(personal)';

/**
 * A filter as an event tells it. Of an e-mail or address only that one was given: the value is another person's, and whatever key the event has would
 * outlive theirs.
 */
export function filterInEvent({ ip, email, ...rest }: FilterQuery): Record<string, string> {
  return {
    ...rest,
    ...(ip !== undefined && { ip: PERSONAL }),
    ...(email !== undefined && { email: PERSONAL }),
  };
}

/**
 * Makes an administrator's reading of the whole trail an event of its own, `AUDIT_READ`, exactly one a request: its id follows from the request, so a GET that the
 * gateway repeats on another replica stays one. Committed when the promise resolves, so call it before the answer's first byte. What users read of
 * themselves, and tenants of theirs, is no event.
 */
export async function recordReading(
  { recordFor }: Pick<AuditContext, 'recordFor'>,
  request: FastifyRequest,
  reader: Reader,
  reading: Reading,
): Promise<void> {
  if (reader.kind !== 'all') return;
  const { resource, filter = {}, first, count } = reading;
  await recordFor(request, {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'AUDIT_READ',
    ...(resource !== undefined && { resource, resource_type: 'audit_log' }),
    metadata: {
      operation: request.routeOptions.config.operation ?? '',
      filter: filterInEvent(filter),
      ...(first !== undefined && { first }),
      ...(count !== undefined && { count }),
    },
  });
}
