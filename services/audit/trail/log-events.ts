import { isIP } from 'node:net';
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

/** Filters in which anything can be typed, a name too. */
const FREE_TEXT: ReadonlySet<string> = new Set([
  'resource',
  'resource_type',
  'request_id',
  'tenant_id',
]);
/** Filters by a person's address. */
const ADDRESSES: ReadonlySet<string> = new Set(['ip', 'email']);
/** A UUID, or a request id as the gateway makes them. */
const ID = /^([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

const isAddress = (value: string): boolean => value.includes('@') || isIP(value) !== 0;

/** A filter in its event's parts. */
interface FilterParts {
  /** Ids, times and closed lists, and in the place of other values that there was one. */
  filter: Record<string, string>;
  /** What the reader typed, under the reader's own key. */
  personal: { filter_text?: Record<string, string> };
}

/**
 * Keeps typed text out of the sealed metadata, which no erasure reaches. An address is kept nowhere:
 * it is another person's, and the reader's key would outlive that person's.
 */
export function describeFilter(query: FilterQuery): FilterParts {
  const filter: Record<string, string> = {};
  const typed: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    const isTyped = FREE_TEXT.has(name) && !ID.test(value);
    filter[name] = isTyped || ADDRESSES.has(name) ? PERSONAL : value;
    if (isTyped && !isAddress(value)) typed[name] = value;
  }
  return { filter, personal: Object.keys(typed).length === 0 ? {} : { filter_text: typed } };
}

/** One per request: the gateway may repeat a GET on another replica, so the id follows from it. */
export function auditRead(request: FastifyRequest, reading: Reading): RequestEvent {
  const { resource, first, count } = reading;
  const { filter, personal } = describeFilter(reading.filter ?? {});
  return {
    id: derivedEventId(request.id, request.startedAtMs),
    action: 'AUDIT_READ',
    ...(resource !== undefined && { resource, resource_type: 'audit_log' }),
    personal,
    metadata: {
      operation: request.routeOptions.config.operation ?? '',
      filter,
      ...(first !== undefined && { first }),
      ...(count !== undefined && { count }),
    },
  };
}
