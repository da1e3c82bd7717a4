import {
  CredentialsAmbiguous,
  DependencyUnavailable,
  InsufficientScope,
  needsSession,
  OriginRefused,
  Overloaded,
  PermissionDenied,
  SessionRequired,
  Unauthenticated,
} from '@muniment/security';
import type { AnyRouteDefinition } from '@muniment/server';
import * as common from '../../../packages/server/src/errors.ts';

export interface DocumentedProblem {
  status: number;
  code: string;
  detail: string;
}

type ErrorClass = AnyRouteDefinition['errors'][number];

export const VALIDATION_FAILED: DocumentedProblem = {
  status: 400,
  code: 'validation_failed',
  detail: 'body/email must NOT have fewer than 3 characters',
};
const CONTENT_LENGTH_MISMATCH: DocumentedProblem = {
  status: 400,
  code: 'content_length_mismatch',
  detail: 'Request body size did not match Content-Length',
};
const BODY_TOO_LARGE: DocumentedProblem = {
  status: 413,
  code: 'body_too_large',
  detail: 'Request body is too large',
};
const TOO_MANY_PARTS: DocumentedProblem = {
  status: 413,
  code: 'too_many_parts',
  detail: 'The form has more parts than allowed.',
};
/** A body of a DELETE is read too, to be refused where the route takes none. */
const METHODS_WITH_ENTITY = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export const methodsOf = ({ method }: Pick<AnyRouteDefinition, 'method'>): string[] =>
  [method].flat();

/** An error as clients see it: its values are not known. */
function problemOf(Class: ErrorClass): DocumentedProblem {
  const error = new Class();
  const detail = error.message.replaceAll(/%[sd]/g, '…');
  return { status: error.statusCode ?? 500, code: error.code.toLowerCase(), detail };
}

function accessErrors({ access, ...route }: AnyRouteDefinition): ErrorClass[] {
  if (access === 'public') return [];
  return [
    Unauthenticated,
    CredentialsAmbiguous,
    PermissionDenied,
    needsSession(access.permission) ? SessionRequired : InsufficientScope,
    ...(methodsOf(route).includes('GET') ? [] : [OriginRefused]),
  ];
}

function bodyErrors(route: AnyRouteDefinition): ErrorClass[] {
  const methods = methodsOf(route);
  const { IdempotencyAnswerGone, IdempotencyInProgress } = common;
  const { IdempotencyKeyMalformed, IdempotencyKeyReused } = common;
  return [
    ...(methods.some((method) => METHODS_WITH_ENTITY.has(method))
      ? [common.MalformedJson, common.UnsupportedMediaType]
      : []),
    ...(methods.includes('POST')
      ? [IdempotencyAnswerGone, IdempotencyInProgress, IdempotencyKeyMalformed]
      : []),
    ...(methods.includes('POST') ? [IdempotencyKeyReused] : []),
  ];
}

/** Every problem that a route itself answers, by status and code. */
export function problemsOf(route: AnyRouteDefinition): DocumentedProblem[] {
  const classes = [
    ...accessErrors(route),
    ...bodyErrors(route),
    ...route.errors,
    common.MalformedText,
    common.PreconditionFailed,
    common.RateLimited,
    DependencyUnavailable,
    Overloaded,
  ];
  const problems = [VALIDATION_FAILED, ...classes.map(problemOf)];
  if (methodsOf(route).some((method) => METHODS_WITH_ENTITY.has(method)))
    problems.push(CONTENT_LENGTH_MISMATCH, BODY_TOO_LARGE);
  if ('multipart/form-data' in (route.media ?? {})) problems.push(TOO_MANY_PARTS);
  const unique = new Map(problems.map((problem) => [`${problem.status} ${problem.code}`, problem]));
  return [...unique.values()].toSorted(
    (one, other) => one.status - other.status || (one.code < other.code ? -1 : 1),
  );
}
