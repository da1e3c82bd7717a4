import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Stated {
  $ref?: string;
  content?: Record<string, object>;
}
interface Operation {
  operationId: string;
  description: string;
  responses: Record<string, Stated>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
}

/** An answer as the contract looks at it. */
export interface Answer {
  method: string;
  /** With a query or without. */
  path: string;
  status: number;
  /** Of Content-Type; empty without one. */
  type: string;
  /** Parsed JSON; undefined where the body is not read. */
  body?: unknown;
}

interface Route {
  method: string;
  pattern: RegExp;
  /** The operation's place in the document, as a JSON Pointer. */
  pointer: string;
  operation: Operation;
}

const PROBLEM = '#/components/responses/Problem';
const PROBLEM_TYPE = 'application/problem+json';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
/** Of requests that no route sees, whatever their path. */
const GENERAL = [
  'headers_too_large',
  'internal_error',
  'malformed_request',
  'malformed_url',
  'method_not_allowed',
  'request_timeout',
];

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** `/api/files/{id}`; the rest of a path may hold slashes. */
const toPattern = (template: string): RegExp =>
  new RegExp(
    `^${template
      .replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('{path}', '.+')
      .replaceAll(/\{[^}]+\}/g, '[^/]+')}$`,
  );

/** Paths first that have fewer parameters: `/api/users/me` is no `/api/users/{id}`. */
const parameters = (path: string): number => path.split('{').length;

function listRoutes({ paths }: Document): Route[] {
  const entries = Object.entries(paths).toSorted(
    ([one], [other]) => parameters(one) - parameters(other),
  );
  return entries.flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const verb = method.toUpperCase();
      const aliases = [...operation.description.matchAll(/`[A-Z]+ (\/[^`]*)`/g)].map(
        ([, alias = '']) => alias,
      );
      const pointer = `#/paths/${escapePointer(path)}/${method}`;
      return [path, ...aliases].map((one) => ({
        method: verb,
        pattern: toPattern(one),
        pointer,
        operation,
      }));
    }),
  );
}

/** The codes of the gateway's own answers, which may stand before any route. */
const gatewayCodes = (): Set<string> =>
  new Set([
    ...GENERAL,
    ...[...read('nginx/nginx.conf.template').matchAll(/"code":"([a-z_]+)"/g)].map(
      ([, code = '']) => code,
    ),
  ]);

/** What the OpenAPI document promises of answers. */
export interface Contract {
  /** Whether a body of the type is held against a schema, so that it must be read. */
  reads(type: string): boolean;
  /** What the document does not promise; undefined where the answer keeps it. */
  findBreach(answer: Answer): string | undefined;
}

type FindFault = (pointer: string, body: unknown) => string | undefined;

/** Compiles the document's schemas when they are first needed, by their place. */
function createValidation(document: object): FindFault {
  const ajv = new Ajv2020({ strict: false, formats: { uuid: UUID, 'date-time': DATE_TIME } });
  ajv.addFormat('uri', true);
  ajv.addSchema(document, 'openapi.json');
  const validators = new Map<string, ValidateFunction>();
  return (pointer, body) => {
    const validate = validators.get(pointer) ?? ajv.compile({ $ref: `openapi.json${pointer}` });
    validators.set(pointer, validate);
    return validate(body) ? undefined : ajv.errorsText(validate.errors);
  };
}

/** The response that the document states for a status, and where it stands. */
function findStated(
  document: object,
  { operation: { responses }, pointer }: Route,
  status: number,
): { place: string; content: Stated['content'] } {
  const name = String(status) in responses ? String(status) : 'default';
  const response = responses[name] ?? {};
  if (response.$ref === undefined)
    return { place: `${pointer}/responses/${name}`, content: response.content };
  return { place: response.$ref, content: resolve(document, response.$ref).content };
}

/** What an answer of a route breaks; the gateway's own problems may stand before any route. */
function createRouteCheck(document: object, findFault: FindFault) {
  const general = gatewayCodes();
  return (route: Route, { status, type, body }: Answer): string | undefined => {
    if (status < 400 && !(String(status) in route.operation.responses))
      return 'the status is not documented';
    const { place, content } = findStated(document, route, status);
    if (content === undefined) return body === undefined ? undefined : 'a body is not documented';
    if (!(type in content)) {
      if (type === PROBLEM_TYPE) return findFault(schemaPointer(PROBLEM, type), body);
      return '*/*' in content || type === '' ? undefined : `${type} is not documented`;
    }
    if (body === undefined) return undefined;
    const fault = findFault(schemaPointer(place, type), body);
    const { code = '' } = (body ?? {}) as { code?: string };
    const isGeneral = status > 399 && type === PROBLEM_TYPE && general.has(code);
    return fault !== undefined && isGeneral ? findFault(schemaPointer(PROBLEM, type), body) : fault;
  };
}

/** The bare paths of the seed documents are those of the API. */
const normalize = (path: string): string =>
  path.replace(/\?.*$/, '').replace(/^\/(?=(auth|users|vendor-profiles)(\/|$))/, '/api/');

export function loadContract(): Contract {
  const document = JSON.parse(read('docs/openapi.json')) as Document;
  const routes = listRoutes(document);
  const findFault = createValidation(document);
  const check = createRouteCheck(document, findFault);
  return {
    reads: (type) => type === 'application/json' || type === PROBLEM_TYPE,
    findBreach(answer) {
      const { status, type, body } = answer;
      const method = answer.method === 'HEAD' ? 'GET' : answer.method;
      const path = normalize(answer.path);
      const route = routes.find((one) => one.method === method && one.pattern.test(path));
      if (!route)
        return type === PROBLEM_TYPE && body !== undefined
          ? findFault(schemaPointer(PROBLEM, PROBLEM_TYPE), body)
          : undefined;
      const fault = check(route, answer);
      if (fault === undefined) return undefined;
      const shown = JSON.stringify(body)?.slice(0, 500);
      return `${route.operation.operationId} answered ${status}, and ${fault}: ${shown}`;
    },
  };
}

const schemaPointer = (response: string, type: string): string =>
  `${response}/content/${escapePointer(type)}/schema`;

const resolve = (document: object, reference: string): Stated =>
  reference
    .split('/')
    .slice(1)
    .reduce(
      (part: Record<string, unknown>, name) => part[name] as Record<string, unknown>,
      document as Record<string, unknown>,
    ) as Stated;

/**
 * Holds an answer against the contract, without taking its body away from the test.
 * @throws Error with the breach
 */
export async function holdToContract(
  contract: Contract,
  { method, path }: Pick<Answer, 'method' | 'path'>,
  answer: Response,
): Promise<void> {
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
  const isRead = contract.reads(type) && answer.body !== null && method !== 'HEAD';
  let body: unknown;
  if (isRead)
    try {
      body = await answer.clone().json();
    } catch {
      return; // Cut off in the middle: the test sees that when it reads the body.
    }
  const breach = contract.findBreach({
    method,
    path,
    status: answer.status,
    type,
    ...(body !== undefined && { body }),
  });
  if (breach !== undefined)
    throw new Error(`${method} ${path} breaks docs/openapi.json (make documents): ${breach}`);
}
