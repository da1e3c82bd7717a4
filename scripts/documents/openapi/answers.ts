import { STATUS_CODES } from 'node:http';
import type { AnyRouteDefinition } from '@muniment/server';
import { completeExample } from './complete-example.ts';
import { examples } from './examples.ts';
import { headersOfProblems, headersOfSuccess, isReplayable } from './headers.ts';
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

/** The answer of a read whose client has the current one. */
const unchangedOf = (route: AnyRouteDefinition): JsonObject =>
  route.sends?.[200]
    ? { description: 'The client has the current answer.', headers: headersOfSuccess(route, 304) }
    : reference('responses', 'NotModified');

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
        headers: headersOfSuccess(route, Number(status)),
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
  return {
    ...(isCached && 200 in response && { 304: unchangedOf(route) }),
    ...Object.fromEntries(answers),
  };
}

/** The errors of a route: problems, or those of its seed document. */
export function failuresOf(route: AnyRouteDefinition, { schemas, problems }: Parts): JsonObject {
  const stated = problemsOf(route);
  const replayable = isReplayable(route);
  if (!route.failure) return problems.describe(stated, replayable);
  const schema = schemas.convertAs(['Seed004Failure'], route.failure);
  const byStatus = Map.groupBy(stated, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: `${STATUS_CODES[status]}.`,
        headers: headersOfProblems(status, group, replayable),
        content: { [JSON_TYPE]: { schema } },
      },
    ]),
  );
}
