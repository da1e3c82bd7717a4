import { isIP } from 'node:net';
import { SOURCES, type Source } from '@muniment/audit-events';
import { Type, type Static } from 'typebox';
import { FilterInvalid } from '../errors.ts';

const text = (maxLength: number) =>
  Type.Optional(Type.String({ pattern: '^[^\\u0000]+$', maxLength }));
const optionalUuid = (description: string) =>
  Type.Optional(Type.String({ format: 'uuid', description }));
const optionalTime = (description: string) =>
  Type.Optional(Type.String({ format: 'date-time', description }));

/** The filters of every way to read the trail. An event must match all that are given. */
export const filterProperties = {
  actor: optionalUuid('Who acted.'),
  action: Type.Optional(
    Type.String({
      pattern: '^[A-Z][A-Z0-9_]*\\*?$',
      maxLength: 100,
      description: 'Whole, or its beginning with * behind it.',
    }),
  ),
  outcome: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('failure')])),
  resource: text(500),
  resource_type: text(100),
  session_id: optionalUuid('The session it was done in.'),
  ip: Type.Optional(Type.String({ maxLength: 45 })),
  email: Type.Optional(
    Type.String({ pattern: '^[^@\\s\\u0000]+@[^@\\s\\u0000]+$', maxLength: 320 }),
  ),
  request_id: text(64),
  tenant_id: text(200),
  source: Type.Optional(
    Type.Unsafe<Source>(Type.Union(SOURCES.map((source) => Type.Literal(source)))),
  ),
  from: optionalTime('Events at or after this time.'),
  to: optionalTime('Events before this time.'),
};

/** Besides the filters: narrows an administrator's reading to their own events. */
export const scopeProperty = {
  scope: Type.Optional(
    Type.Literal('own', { description: 'Only what concerns the caller, who may read more.' }),
  ),
};

const filterSchema = Type.Object(filterProperties);
/** Filters as a caller states them. */
export type FilterQuery = Static<typeof filterSchema>;

export interface EventFilter extends Omit<FilterQuery, 'action' | 'from' | 'to'> {
  action?: string;
  /** Beginning of the actions; never beside `action`. */
  actionPrefix?: string;
  from?: Date;
  to?: Date;
}

/** Only the filters of a query, in one order and spelling, for cursors and audit events. */
export function pickFilter(query: FilterQuery): FilterQuery {
  const names = Object.keys(filterProperties).sort() as (keyof FilterQuery)[];
  const picked = Object.fromEntries(
    names.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])),
  ) as FilterQuery;
  for (const name of ['actor', 'session_id'] as const)
    if (picked[name] !== undefined) picked[name] = picked[name].toLowerCase();
  return picked;
}

/** @throws FilterInvalid when a well-formed filter makes no sense */
export function parseFilter({ action, from, to, ...rest }: FilterQuery): EventFilter {
  if (rest.ip !== undefined && isIP(rest.ip) === 0)
    throw new FilterInvalid('ip must be an IP address.');
  const range = {
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  };
  if (range.from && range.to && range.from >= range.to)
    throw new FilterInvalid('from must be before to.');
  return { ...rest, ...parseAction(action), ...range };
}

function parseAction(action: string | undefined): Pick<EventFilter, 'action' | 'actionPrefix'> {
  if (action === undefined) return {};
  return action.endsWith('*') ? { actionPrefix: action.slice(0, -1) } : { action };
}
