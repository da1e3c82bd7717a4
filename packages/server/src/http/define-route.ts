import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyRequest,
  HTTPMethods,
  RawServerDefault,
  RouteGenericInterface,
  RouteHandlerMethod,
  RouteOptions,
} from 'fastify';
import { Type, type TSchema } from 'typebox';
import type { RouteAccess } from '@muniment/security';
import type { LimitName } from '../limits/rules.ts';
import { findFault } from './check-definition.ts';
import type { App } from './create-app.ts';

/** An error of a catalogue, as `createError` makes it. */
export type ErrorClass = new (...values: never[]) => FastifyError;

type Handler<Params, Query, Body, Response, Headers> = RouteHandlerMethod<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  RouteGenericInterface,
  ContextConfigDefault,
  { params: Params; querystring: Query; body: Body; response: Response; headers: Headers },
  TypeBoxTypeProvider,
  FastifyBaseLogger
>;

/** Headers of answers that only some routes send. */
export type SentHeader =
  | 'Accept-Ranges'
  | 'Audit-Event'
  | 'Content-Disposition'
  | 'Content-Range'
  | 'ETag'
  | 'Last-Modified'
  | 'Link'
  | 'Location'
  | 'Muniment-Tree-Size';

/** Everything that the product, its metrics and its documents know of a route. */
export interface RouteDefinition<
  Context,
  Params = TSchema,
  Query = TSchema,
  Body = TSchema,
  Response = Record<number, TSchema>,
  Headers = TSchema,
> {
  method: HTTPMethods | HTTPMethods[];
  url: string;
  /** Other paths of the same route, as the seed documents call it. */
  aliases?: readonly string[];
  /** `<tag>.<verb>_<noun>`, unique. The label of metrics and the OpenAPI operationId. */
  operation: string;
  /** One sentence: what the route does. docs/routes/<operation>.md says more, where it exists. */
  summary: string;
  access: RouteAccess;
  params?: Params;
  /** Absent: the route takes no query, and an unknown field is refused. */
  query?: Query;
  /** Only request headers of this route's own. */
  headers?: Headers;
  body?: Body;
  /** Other media types of the body, or of one that the handler reads. Only documents use it. */
  media?: Readonly<Record<string, TSchema>>;
  response: Response;
  /** The headers of its answers, by status. Only documents use it. */
  sends?: Readonly<Record<number, readonly SentHeader[]>>;
  /** Errors of this route besides those that every route may answer. */
  errors: readonly ErrorClass[];
  /** The shape of errors in a seed document, where they are no problems. Only documents use it. */
  failure?: TSchema;
  /** The limit that counts its requests; absent: `requests`. */
  limit?: LimitName;
  /** See `acceptIdempotencyKeys`. */
  idempotency?: 'own' | 'content';
  /**
   * How If-Match and the like are evaluated (RFC 9110 §13). Absent: a read by its answer, a change
   * before its handler. `path`: a read before its handler. `handler`: by the handler, on the row
   * that it locks.
   */
  preconditions?: 'path' | 'handler';
  /** Answers that hold a secret are replayed only while this holds. */
  replayWhile?(context: Context): (answer: unknown, request: FastifyRequest) => Promise<boolean>;
  /** What Fastify takes besides: limits, hooks, a compiler of its own. */
  options?: FastifyOptions | ((context: Context, app: App) => FastifyOptions);
  /** Called once, when the route is registered. */
  handler(context: Context): Handler<Params, Query, Body, Response, Headers>;
}

type FastifyOptions = Partial<
  Pick<
    RouteOptions,
    | 'attachValidation'
    | 'bodyLimit'
    | 'exposeHeadRoute'
    | 'logLevel'
    | 'onRequest'
    | 'onSend'
    | 'preHandler'
    | 'preParsing'
    | 'preSerialization'
    | 'validatorCompiler'
    | 'wsHandler'
  >
>;

/** Registers a route; documents need its definition, where the function makes a plugin too. */
export type Endpoint<Context> = ((app: App, context: Context) => void | Promise<void>) & {
  readonly definition?: AnyRouteDefinition;
};

/** The endpoint of a definition: it registers its route at once. */
export type DefinedEndpoint<Context> = ((app: App, context: Context) => void) & {
  readonly definition: AnyRouteDefinition;
};

/** A definition as hooks and documents read it, whatever its types. */
export type AnyRouteDefinition = Omit<
  RouteDefinition<never>,
  'handler' | 'options' | 'replayWhile'
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set by `defineRoute`; an app with a route that lacks it does not start. */
    definition?: AnyRouteDefinition;
  }
}

const EMPTY_QUERY = Type.Object({}, { additionalProperties: false });

/** The OpenAPI tag of an operation: the folder of its feature. */
export const tagOf = (operation: string): string => operation.split('.', 1)[0] ?? '';

/**
 * States a route once: for Fastify, the metrics and the documents.
 * @throws when a statement is missing or malformed, so that the service does not start
 */
export function defineRoute<
  Context,
  Params extends TSchema,
  Query extends TSchema,
  Body extends TSchema,
  Response extends Record<number, TSchema>,
  Headers extends TSchema,
>(
  definition: RouteDefinition<Context, Params, Query, Body, Response, Headers>,
): DefinedEndpoint<Context> {
  const {
    method,
    url,
    aliases = [],
    operation,
    summary,
    params,
    query,
    headers,
    body,
  } = definition;
  const fault = findFault(definition);
  if (fault) throw new Error(`route ${String(method)} ${url}: ${fault}`);
  const schema = {
    operationId: operation,
    summary,
    tags: [tagOf(operation)],
    querystring: query ?? EMPTY_QUERY,
    response: definition.response,
    ...(params && { params }),
    ...(headers && { headers }),
    ...(body && { body }),
  };
  function endpoint(app: App, context: Context): void {
    const { options, limit, idempotency, replayWhile } = definition;
    const config = {
      definition,
      operation,
      access: definition.access,
      ...(limit && { limit }),
      ...(idempotency && { idempotency }),
      ...(replayWhile && { replayWhile: replayWhile(context) }),
    };
    const handler = definition.handler(context);
    const others = typeof options === 'function' ? options(context, app) : options;
    const route = app.route.bind(app) as (stated: object) => void;
    for (const path of [url, ...aliases])
      route({ ...others, method, url: path, schema, config, handler });
  }
  return Object.assign(endpoint, { definition });
}

/** Refuses routes that are not defined by `defineRoute`, and operations that are defined twice. */
export function requireDefinitions(app: FastifyInstance): void {
  const known = new Map<string, AnyRouteDefinition>();
  app.addHook('onRoute', ({ method, url, config }) => {
    // @fastify/cors registers `OPTIONS *` for its preflight hook.
    if (method === 'OPTIONS' && url.endsWith('*')) return;
    const definition = config?.definition;
    if (!definition) throw new Error(`route ${String(method)} ${url} is not made by defineRoute`);
    const other = known.get(definition.operation);
    if (other && other !== definition)
      throw new Error(`two routes are called ${definition.operation}`);
    known.set(definition.operation, definition);
  });
}
