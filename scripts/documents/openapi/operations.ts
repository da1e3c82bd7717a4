import { needsSession, roleAllows, ROLES } from '@muniment/security';
import type { AnyRouteDefinition } from '@muniment/server';
import { descriptions } from './descriptions.ts';
import { examples } from './examples.ts';
import { failuresOf, JSON_TYPE, namesOf, reference, successesOf, type Parts } from './answers.ts';
import type { Json, JsonObject } from '../json.ts';
import { methodsOf } from './stated-problems.ts';

const SAFE = new Set(['GET', 'HEAD']);

/** What OpenAPI calls the rest of a path: `*` is no name there. */
const WILDCARD = 'path';

/** `/api/files/:id` as `/api/files/{id}`. */
export const toTemplate = (url: string): string =>
  url.replaceAll(/:([A-Za-z_]+)/g, '{$1}').replace('*', `{${WILDCARD}}`);

/** Of `:id` in `/api/vendor-profiles/:id`: the `id` of a vendor profile. */
function describeId({ url }: AnyRouteDefinition, name: string): string | undefined {
  const segments = url.split('/');
  const resource = segments[segments.indexOf(`:${name}`) - 1] ?? '';
  if (name !== 'id') return undefined;
  return `The \`id\` of the ${resource.replaceAll('-', ' ').replace(/s$/, '')}.`;
}

/** The query, the path and the headers of a route, as parameters. */
function parametersOf(route: AnyRouteDefinition, { schemas }: Parts): JsonObject[] {
  const stated = (['path', 'query', 'header'] as const).flatMap((place) => {
    const schema = { path: route.params, query: route.query, header: route.headers }[place];
    const { properties = {}, required = [] } = (schema ?? {}) as {
      properties?: Record<string, object>;
      required?: string[];
    };
    return Object.entries(properties).map(([name, property]): JsonObject => {
      const { description, ...rest } = schemas.convert(property);
      const meaning = description ?? (place === 'path' ? describeId(route, name) : undefined);
      const isRequired = place === 'path' || (required.includes(name) && !('default' in property));
      return {
        name: name === '*' ? WILDCARD : name,
        in: place,
        ...(isRequired && { required: true }),
        ...(meaning !== undefined && { description: meaning }),
        schema: rest,
      };
    });
  });
  return [...stated, ...commonHeaders(route)];
}

function commonHeaders(route: AnyRouteDefinition): JsonObject[] {
  const methods = methodsOf(route);
  const isRead = methods.includes('GET');
  const names = [
    ...(methods.includes('POST') ? ['Idempotency-Key'] : []),
    ...(isRead && route.preconditions !== 'path' ? ['If-None-Match'] : []),
    // What a POST creates has no version yet.
    ...(['PUT', 'PATCH', 'DELETE'].some((method) => methods.includes(method as never))
      ? ['If-Match']
      : []),
    ...(206 in route.response ? ['Range'] : []),
  ];
  return names.map((name) => reference('parameters', name));
}

function securityOf({ access, ...route }: AnyRouteDefinition): JsonObject[] {
  if (access === 'public') return [];
  const schemes: JsonObject[] = [{ bearer: [] }, { login_info: [], secure: [] }];
  if (!needsSession(access.permission)) schemes.push({ api_token: [access.permission] });
  if (access.viewer && methodsOf(route).every((method) => SAFE.has(method)))
    schemes.push({ viewer_token: [] });
  return schemes;
}

function descriptionOf(route: AnyRouteDefinition, method: string): string {
  const { access, aliases = [], operation } = route;
  const more = descriptions.get(operation);
  const paths = aliases.map((alias) => `\`${method} ${toTemplate(alias)}\``);
  const roles =
    access === 'public' ? [] : ROLES.filter((role) => roleAllows(role, access.permission));
  return [
    access === 'public'
      ? 'Needs no credentials.'
      : `Needs the permission \`${access.permission}\` (${roles.join(', ')}).`,
    ...(paths.length > 0 ? [`Also at ${paths.join(', ')}.`] : []),
    ...(more === undefined ? [] : [more]),
  ].join('\n\n');
}

/** A body that may be null may also be absent. */
function presentBody(body: unknown): unknown {
  const { anyOf } = (body ?? {}) as { anyOf?: { type?: string }[] };
  return anyOf?.some(({ type }) => type === 'null')
    ? anyOf.find(({ type }) => type !== 'null')
    : body;
}

function bodyOf(route: AnyRouteDefinition, { schemas }: Parts): JsonObject | undefined {
  const { media = {}, operation } = route;
  const body = presentBody(route.body);
  const types = { ...(body !== undefined && { [JSON_TYPE]: body }), ...media };
  if (Object.keys(types).length === 0) return undefined;
  const { body: example, bodies } = examples[operation] ?? {};
  const content = Object.entries(types).map(([type, schema]): [string, Json] => [
    type,
    {
      schema: schemas.convertAs(namesOf(route, 'Request'), schema),
      ...(example !== undefined && type === JSON_TYPE && { example }),
      ...(bodies && type === JSON_TYPE && { examples: bodies }),
    },
  ]);
  return { required: body === route.body, content: Object.fromEntries(content) };
}

/** One route as an operation of OpenAPI, for one of its methods. */
export function describeOperation(
  route: AnyRouteDefinition,
  method: string,
  parts: Parts,
): JsonObject {
  const body = bodyOf(route, parts);
  const isSecond = methodsOf(route).indexOf(method) > 0;
  return {
    operationId: isSecond ? `${route.operation}.${method.toLowerCase()}` : route.operation,
    summary: route.summary,
    description: descriptionOf(route, method),
    tags: [route.operation.split('.')[0] ?? ''],
    security: securityOf(route),
    parameters: parametersOf(route, parts),
    ...(body && { requestBody: body }),
    responses: {
      ...successesOf(route, parts),
      ...failuresOf(route, parts),
      default: reference('responses', 'Problem'),
    },
  };
}
