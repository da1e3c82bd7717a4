import type { FastifyRequest } from 'fastify';
import { derivedEventId } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';
import type { FilterQuery } from './filter.ts';

/** What an administrator has read. */
export interface Reading {
  /** The entry that was read, where it is one. */
  resource?: string;
  filter?: FilterQuery;
  /** The first index, where entries are named by index. */
  first?: number;
  /** How many entries are answered. */
  count?: number;
}

/** Stands for a personal value that was filtered by. */
const PERSONAL = '(personal)';

/**
 * A filter without its personal values: they are another person's, and the reader's key would
 * outlive that person's.
 */
export function filterInEvent({ ip, email, ...rest }: FilterQuery): Record<string, string> {
  return {
    ...rest,
    ...(ip !== undefined && { ip: PERSONAL }),
    ...(email !== undefined && { email: PERSONAL }),
  };
}

/** One per request: the gateway may repeat a GET on another replica, so the id follows from it. */
export function auditRead(request: FastifyRequest, reading: Reading): RequestEvent {
  const { resource, filter = {}, first, count } = reading;
  return {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'AUDIT_READ',
    ...(resource !== undefined && { resource, resource_type: 'audit_log' }),
    metadata: {
      operation: request.routeOptions.config.operation ?? '',
      filter: filterInEvent(filter),
      ...(first !== undefined && { first }),
      ...(count !== undefined && { count }),
    },
  };
}
