import { STATUS_CODES } from 'node:http';
import type { AnyRouteDefinition } from '@muniment/server';
import { completeExample } from './complete-example.ts';
import { examples } from './examples.ts';
import { isObject, toPascal, type Json, type JsonObject } from '../json.ts';
import type { Problems } from './problems.ts';
import type { Schemas } from '../schemas.ts';
import { methodsOf, problemsOf } from './stated-problems.ts';

export interface Parts {
  schemas: Schemas;
  problems: Problems;
}

export const JSON_TYPE = 'application/json';

export const reference = (kind: string, name: string): JsonObject => ({
  $ref: `#/components/${kind}/${name}`,
});

/**
 * `sign-in.log_in_user` names `LogInUserRequest`, or `SignInLogInUserRequest` where another has
 * that name. Shapes of a seed document never take the plain name.
 */
export function namesOf({ operation, failure }: AnyRouteDefinition, suffix: string): string[] {
  const [tag = '', name = ''] = operation.split('.');
  const full = `${toPascal(tag)}${toPascal(name)}${suffix}`;
  return failure ? [full] : [`${toPascal(name)}${suffix}`, full];
}

function contentOf(
  schema: unknown,
  { schemas }: Parts,
  { names, example }: { names: readonly string[]; example: Json | undefined },
): Json {
  const { contentMediaType: types, description: _, ...rest } = schema as Record<string, unknown>;
  if (typeof types === 'string')
    return Object.fromEntries(types.split(', ').map((type) => [type, { schema: {} }]));
  const converted = schemas.convertAs(names, Object.keys(rest).length > 0 ? schema : {});
  const whole =
    example === undefined ? {} : { example: completeExample(example, converted, schemas.resolve) };
  return { [JSON_TYPE]: { schema: converted, ...whole } };
}

const hasContent = (schema: unknown): boolean =>
  isObject(schema) && schema['type'] !== 'null' && schema['contentMediaType'] !== '';

function headersOf(route: AnyRouteDefinition, status: string, schema: unknown): JsonObject {
  const isList = isObject(schema) && schema['type'] === 'array';
  const isRead = methodsOf(route).includes('GET');
  const names = [
    'X-Request-Id',
    ...(status === '200' && isRead && route.preconditions !== 'path' ? ['ETag'] : []),
    ...(isList && isRead ? ['Link'] : []),
    ...(status === '201' && route.operation.endsWith('_file') ? ['Location'] : []),
  ];
  return Object.fromEntries(names.map((name) => [name, reference('headers', name)]));
}

export function successesOf(route: AnyRouteDefinition, parts: Parts): JsonObject {
  const { operation, response } = route;
  const statuses = Object.entries(response);
  const answers = statuses.map(([status, schema], n): [string, Json] => {
    const { description } = schema as { description?: string };
    const example = examples[operation]?.response?.[Number(status)];
    return [
      status,
      {
        description: description ?? `${STATUS_CODES[status]}.`,
        headers: headersOf(route, status, schema),
        ...(hasContent(schema) && {
          content: contentOf(schema, parts, {
            names: namesOf(route, n === 0 ? 'Response' : `Response${status}`),
            example,
          }),
        }),
      },
    ];
  });
  const isCached = methodsOf(route).includes('GET') && route.preconditions !== 'path';
  const unchanged = reference('responses', 'NotModified');
  return { ...(isCached && 200 in response && { 304: unchanged }), ...Object.fromEntries(answers) };
}

/** The errors of a route: problems, or those of its seed document. */
export function failuresOf(route: AnyRouteDefinition, { schemas, problems }: Parts): JsonObject {
  const stated = problemsOf(route);
  if (!route.failure) return problems.describe(stated);
  const schema = schemas.convertAs(['Seed004Failure'], route.failure);
  return Object.fromEntries(
    stated.map(({ status }) => [
      status,
      { description: `${STATUS_CODES[status]}.`, content: { [JSON_TYPE]: { schema } } },
    ]),
  );
}
