import type { FastifyRequest } from 'fastify';
import { derivedEventId } from '@muniment/audit-events';
import type { AuditServer } from './audit-server.ts';
import type { GivenFilter } from './filter.ts';
import type { Reader } from './reader.ts';

export interface Reading {
  /** The entry that was read, where it is one. */
  resource?: string;
  filter?: GivenFilter;
  /** How many entries are answered. */
  count?: number;
}

/** A filter as an event tells it: what says who somebody is stands among the event's personal values, not in the clear. */
export function filterInEvent({ ip, email, ...rest }: GivenFilter): { metadata: Record<string, string>; personal: Record<string, string> } {
  return { metadata: { ...rest }, personal: { ...(ip !== undefined && { filter_ip: ip }), ...(email !== undefined && { filter_email: email }) } };
}

/**
 * Makes an administrator's reading of the whole trail an event of its own, `AUDIT_READ`, exactly one a request: its id follows from the request, so a GET that the
 * gateway repeats on another replica stays one. Committed when the promise resolves, so call it before the answer's first byte. What users read of
 * themselves, and tenants of theirs, is no event.
 */
export async function recordReading({ recordFor }: Pick<AuditServer, 'recordFor'>, request: FastifyRequest, reader: Reader, reading: Reading): Promise<void> {
  if (reader.kind !== 'all') return;
  const { resource, filter = {}, count } = reading;
  const { metadata, personal } = filterInEvent(filter);
  await recordFor(request, {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'AUDIT_READ',
    ...(resource !== undefined && { resource, resource_type: 'audit_log' }),
    metadata: { operation: request.routeOptions.config.operation ?? '', filter: metadata, ...(count !== undefined && { count }) },
    personal,
  });
}
