import { randomBytes } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BEARER_CHALLENGE, DependencyUnavailable } from '@muniment/security';
import { MalformedJson, NotFound, UnsupportedMediaType } from '../errors.ts';
import { InvalidFields } from './fields/invalid-fields.ts';
import { describeMediaTypes } from './media-types.ts';
import { describeFaults } from './validation-faults.ts';

/** RFC 9457 problem details as every error of the product is answered. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Stable, lower snake case, documented in docs/openapi.json or docs/api.md. */
  code: string;
  request_id: string;
  errors?: { pointer: string; message: string }[];
}

/** The product's codes for the codes of Fastify and its plugins. */
const FRAMEWORK_CODES: Readonly<Record<string, string>> = {
  FST_ERR_VALIDATION: 'validation_failed',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'content_length_mismatch',
  FST_ERR_CTP_INVALID_TYPE: 'unsupported_media_type',
  FST_ERR_BAD_URL: 'malformed_url',
  FST_ERR_ASYNC_CONSTRAINT: 'malformed_url',
  FST_ERR_MAX_PARAM_LENGTH: 'malformed_url',
  FST_ERR_NOT_FOUND: 'not_found',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'unsupported_media_type',
  FST_REQ_FILE_TOO_LARGE: 'file_too_large',
  FST_FILES_LIMIT: 'too_many_files',
  FST_PARTS_LIMIT: 'too_many_parts',
  FST_FIELDS_LIMIT: 'too_many_parts',
  FST_PROTO_VIOLATION: 'malformed_multipart',
};

const STATUS_FALLBACK: Readonly<Record<number, string>> = {
  400: 'malformed_request',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  503: 'dependency_unavailable',
};

interface Rendered {
  problem: Problem;
  headers: Record<string, string>;
}

function codeOf(error: FastifyError, status: number): string {
  if (status >= 500 && status !== 503) return 'internal_error';
  const code = error.code ?? '';
  if (code.startsWith('FST_'))
    return FRAMEWORK_CODES[code] ?? STATUS_FALLBACK[status] ?? 'malformed_request';
  // @fastify/error turns codes to upper case; clients see them as the catalogues state them.
  return /^[A-Za-z][A-Za-z0-9_]*$/.test(code)
    ? code.toLowerCase()
    : (STATUS_FALLBACK[status] ?? 'malformed_request');
}

function validationErrors({
  validation,
  validationContext: context,
}: FastifyError): Required<Pick<Problem, 'errors' | 'detail'>> | undefined {
  if (!validation) return undefined;
  const faults = describeFaults(validation);
  const part = context === 'body' ? '' : `/${context ?? ''}`;
  return {
    errors: faults.map(({ path, field, message }) => ({
      pointer: `${part}${path}${field === undefined ? '' : `/${field}`}`,
      message,
    })),
    detail: faults.map(({ path, message }) => `${context ?? ''}${path} ${message}`).join(', '),
  };
}

const ownErrors = ({ faults, message }: InvalidFields) => ({
  errors: faults.map((fault) => ({ ...fault })),
  detail: message,
});

/** Renders an error. From 500 on its own message is hidden. */
function renderProblem(error: FastifyError, requestId: string): Rendered {
  const status =
    error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 600
      ? error.statusCode
      : 500;
  const code = codeOf(error, status);
  const invalid = error instanceof InvalidFields ? ownErrors(error) : validationErrors(error);
  // Only a catalogue's own 503 was written for callers.
  const hidden = status >= 500 && !(status === 503 && error.name === 'FastifyError');
  const retryAfter =
    'retryAfter' in error && typeof error.retryAfter === 'number'
      ? error.retryAfter
      : status === 503
        ? 1
        : undefined;
  return {
    problem: {
      type: `https://muniment.dev/problems/${code}`,
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: hidden
        ? 'Something went wrong. It is logged under the request id.'
        : (invalid?.detail ?? error.message),
      code,
      request_id: requestId,
      ...(invalid && { errors: invalid.errors }),
    },
    headers: {
      ...('headers' in error ? (error.headers as Record<string, string>) : {}),
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
    },
  };
}

/** Unlogged 503s by code. The catalogues bound its size. */
const refusals = new Map<string, { loggedAt: number; unlogged: number }>();
const REFUSAL_LOG_INTERVAL_MS = 1_000;

/** Logs one 503 a second for each code, since a flood of lines would bury an outage's cause. */
function logRefusal(error: FastifyError, code: string, request: FastifyRequest): void {
  const last = refusals.get(code);
  const now = performance.now();
  if (last && now - last.loggedAt < REFUSAL_LOG_INTERVAL_MS) {
    last.unlogged += 1;
    return;
  }
  refusals.set(code, { loggedAt: now, unlogged: 0 });
  request.log.warn(
    {
      err: error,
      operation: request.routeOptions.config.operation,
      code,
      unlogged: last?.unlogged ?? 0,
    },
    'request refused',
  );
}

/** Answers a request with the problem of an error. */
export function sendProblem(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { problem, headers } = renderProblem(error, request.id);
  if (problem.status === 503) logRefusal(error, problem.code, request);
  else if (problem.status > 499)
    request.log.error(
      { err: error, operation: request.routeOptions.config.operation },
      'request failed',
    );
  // RFC 9110 §15.5.2 demands a challenge with each 401, of a login and a refresh too.
  if (problem.status === 401 && !reply.hasHeader('www-authenticate'))
    reply.header('www-authenticate', BEARER_CHALLENGE);
  // The route's own serializer is for success.
  return reply
    .code(problem.status)
    .headers(headers)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problem);
}

/** Wraps what is thrown without being an Error, on which the renderer would fail. */
function asError(thrown: unknown): FastifyError {
  return thrown instanceof Error
    ? (thrown as FastifyError)
    : Object.assign(new Error('something that is no Error was thrown', { cause: thrown }), {
        code: '',
      });
}

/** Translates a thrown value into an error of a catalogue, where one stands for it. */
function translate(thrown: unknown, isUnavailable: (error: unknown) => boolean): FastifyError {
  const error = asError(thrown);
  if (error instanceof SyntaxError && error.statusCode === 400) return new MalformedJson();
  return isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;
}

/** Says what to send, where Fastify says only what is refused. */
const explain = (error: FastifyError, request: FastifyRequest): FastifyError =>
  error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE'
    ? new UnsupportedMediaType(describeMediaTypes(request))
    : error;

/** The problem of an error that is not answered by HTTP, e.g. on a WebSocket. */
export const problemOf = (
  thrown: unknown,
  requestId: string,
  isUnavailable: (error: unknown) => boolean,
): Problem => renderProblem(translate(thrown, isUnavailable), requestId).problem;

/** Renders the errors of handlers, Fastify and plugins, and of requests that match no route. */
export function renderErrors(
  app: FastifyInstance,
  isUnavailable: (error: unknown) => boolean,
): void {
  app.setErrorHandler<FastifyError>((thrown, request, reply) =>
    sendProblem(explain(translate(thrown, isUnavailable), request), request, reply),
  );
  app.setNotFoundHandler((request, reply) => sendProblem(new NotFound(), request, reply));
}

/** The answer to a request that Fastify never sees: unreadable, or with an Expect header. */
export function unreadableProblem(status: 400 | 408 | 417 | 431): {
  problem: Problem;
  headers: Record<string, string | number>;
} {
  const code =
    status === 431 ? 'headers_too_large' : status === 408 ? 'request_timeout' : 'malformed_request';
  const request_id = randomBytes(16).toString('hex');
  const problem: Problem = {
    type: `https://muniment.dev/problems/${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: 'The request could not be read. Send valid HTTP.',
    code,
    request_id,
  };
  return { problem, headers: closingHeaders(problem) };
}

function closingHeaders(problem: Problem): Record<string, string | number> {
  return {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(JSON.stringify(problem)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  };
}

/** The bytes of a problem for a socket that Fastify does not answer on. */
export function rawProblem(problem: Problem, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ ...closingHeaders(problem), ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const head = [`HTTP/1.1 ${problem.status} ${problem.title}`, ...lines].join('\r\n');
  return `${head}\r\n\r\n${JSON.stringify(problem)}`;
}

/** The bytes that answer what is not HTTP; without a request they go to the socket directly. */
export function malformedRequestResponse(code: string | undefined): string {
  const status =
    code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  return rawProblem(unreadableProblem(status).problem);
}
