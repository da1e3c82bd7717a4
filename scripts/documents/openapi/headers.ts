import type { AnyRouteDefinition } from '@muniment/server';
import type { JsonObject } from '../json.ts';
import { methodsOf, type DocumentedProblem } from './stated-problems.ts';

const text = { type: 'string' };
const seconds = { type: 'integer', minimum: 0 };
const timestamp = { type: 'string', description: 'An HTTP date (RFC 9110 §5.6.7).' };

const always = (description: string, schema: JsonObject = text): JsonObject => ({
  description,
  required: true,
  schema,
});
const sometimes = (description: string, schema: JsonObject = text): JsonObject => ({
  description,
  schema,
});

/** By component. Only two differ from the header's name: those are not in each such answer. */
export const HEADERS: JsonObject = {
  'X-Request-Id': always('The request in logs and the trail.'),
  'Accept-Ranges': always('`bytes`: a part can be asked for by `Range`.'),
  'Audit-Event': always("The id of the change's event in the trail."),
  'Content-Disposition': always('The name for the file.'),
  'Content-Range': always('Which bytes these are, of how many.'),
  ETag: always('The version of the answer, for If-None-Match and If-Match.'),
  'Idempotent-Replayed': sometimes('`true`: this answers an earlier request with the same key.'),
  'Last-Modified': always('When the resource changed last.', timestamp),
  Link: sometimes('The next page, `<...>; rel="next"`; absent on the last.'),
  Location: always('The path of what was created.'),
  'Muniment-Tree-Size': always('How many entries the log had when the export began.'),
  'Retry-After': always('Seconds until another attempt makes sense.', seconds),
  'Retry-After-In-Progress': sometimes('Seconds, with `idempotency_in_progress`.', seconds),
  'WWW-Authenticate': always('How to authenticate (RFC 6750 §3).'),
  'WWW-Authenticate-Scope': sometimes('The missing scope, with `insufficient_scope`.'),
};

/** Of headers by the components that describe them; a plain name is its own component. */
function toHeaders(names: readonly string[]): JsonObject {
  const entries = names.toSorted().map((component): [string, JsonObject] => {
    const name = component.replace(/-(In-Progress|Scope)$/, '');
    return [name, { $ref: `#/components/headers/${component}` }];
  });
  return Object.fromEntries(entries);
}

/** Whether a POST stores its answers under an Idempotency-Key. */
export const isReplayable = (route: AnyRouteDefinition): boolean =>
  methodsOf(route).includes('POST') && route.idempotency !== 'own';

/** A 304 has the validators of the answer that it stands for (RFC 9110 §15.4.5). */
const OF_UNCHANGED = new Set(['ETag', 'Last-Modified', 'Link']);

/** The headers of a route's success. */
export function headersOfSuccess(route: AnyRouteDefinition, status: number): JsonObject {
  const { sends = {} } = route;
  const unchanged = (sends[200] ?? []).filter((name) => OF_UNCHANGED.has(name));
  return toHeaders([
    'X-Request-Id',
    ...(sends[status] ?? (status === 304 ? unchanged : [])),
    ...(isReplayable(route) ? ['Idempotent-Replayed'] : []),
  ]);
}

const BY_STATUS: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  416: ['Content-Range', 'ETag'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};
const BY_CODE: Readonly<Record<string, string>> = {
  idempotency_in_progress: 'Retry-After-In-Progress',
  insufficient_scope: 'WWW-Authenticate-Scope',
};

/** The headers of problems of one status. A failure of the server is not replayed, nor is a 429. */
export function headersOfProblems(
  status: number,
  problems: readonly DocumentedProblem[],
  replayable: boolean,
): JsonObject {
  return toHeaders([
    'X-Request-Id',
    ...(BY_STATUS[status] ?? []),
    ...problems.flatMap(({ code }) => BY_CODE[code] ?? []),
    ...(replayable && status < 500 && status !== 429 ? ['Idempotent-Replayed'] : []),
  ]);
}
