import { isIP } from 'node:net';
import { Type, type Static } from 'typebox';
import { FilterInvalid } from '../errors.ts';

const text = (maxLength: number, description?: string) =>
  Type.Optional(
    Type.String({ pattern: '^[^\\u0000]+$', maxLength, ...(description && { description }) }),
  );
const uuid = (description: string) => Type.Optional(Type.String({ format: 'uuid', description }));

/** The filters of every way to read the trail; all that are given must hold. */
export const filterProperties = {
  actor: uuid('Who acted.'),
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
  session_id: uuid('The session it was done in.'),
  ip: Type.Optional(Type.String({ maxLength: 45 })),
  email: Type.Optional(
    Type.String({ pattern: '^[^@\\s\\u0000]+@[^@\\s\\u0000]+$', maxLength: 320 }),
  ),
  request_id: text(64),
  tenant_id: text(200),
  source: Type.Optional(
    Type.Union([
      Type.Literal('user'),
      Type.Literal('file'),
      Type.Literal('audit'),
      Type.Literal('app'),
    ]),
  ),
  from: Type.Optional(
    Type.String({ format: 'date-time', description: 'Events at or after this time.' }),
  ),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Events before this time.' })),
};

const filterSchema = Type.Object(filterProperties);
/** Filters as a caller gives them. */
export type FilterQuery = Static<typeof filterSchema>;

export interface EventFilter extends Omit<FilterQuery, 'action' | 'from' | 'to'> {
  action?: string;
  /** Beginning of the actions wanted; never beside `action`. */
  actionPrefix?: string;
  from?: Date;
  to?: Date;
}

/** Only the filters of a query, in one order and spelling: what a cursor is bound to, and what an event about the reading tells. */
export function pickFilter(query: FilterQuery): FilterQuery {
  const names = Object.keys(filterProperties).sort() as (keyof FilterQuery)[];
  const given = Object.fromEntries(
    names.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])),
  ) as FilterQuery;
  for (const name of ['actor', 'session_id'] as const)
    if (given[name] !== undefined) given[name] = given[name].toLowerCase();
  return given;
}

/** @throws filter_invalid for what is well-formed and makes no sense */
export function parseFilter({ action, from, to, ...rest }: FilterQuery): EventFilter {
  if (rest.ip !== undefined && isIP(rest.ip) === 0) throw new FilterInvalid('ip is no IP address');
  const range = {
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  };
  if (range.from && range.to && range.from >= range.to)
    throw new FilterInvalid('from is not before to');
  const wanted =
    action === undefined
      ? {}
      : action.endsWith('*')
        ? { actionPrefix: action.slice(0, -1) }
        : { action };
  return { ...rest, ...wanted, ...range };
}
