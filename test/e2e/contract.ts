import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { findHeaderBreach, type StatedHeader } from './header-contract.ts';
import {
  escapePointer,
  listRoutes,
  readOpenapi,
  readRepository,
  resolve,
  type DocumentedRoute,
  type StatedResponse,
} from './openapi-document.ts';

/** An answer as the contract looks at it. */
export interface Answer {
  method: string;
  /** With a query or without. */
  path: string;
  status: number;
  /** Of Content-Type; empty without one. */
  type: string;
  headers: Headers;
  /** Parsed JSON; undefined where the body is not read. */
  body?: unknown;
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

/** The codes of the gateway's own answers, which may stand before any route. */
function gatewayCodes(): Set<string> {
  const template = readRepository('nginx/nginx.conf.template');
  const fixed = [...template.matchAll(/"code":"([a-z_]+)"/g)].map(([, code = '']) => code);
  // A code that nginx chooses by a map.
  const chosen = [...template.matchAll(/"code":"\$(\w+)"/g)].flatMap(([, variable = '']) => {
    const map = new RegExp(`\\$${variable} \\{([^}]*)\\}`).exec(template)?.[1] ?? '';
    return [...map.matchAll(/([a-z]+(?:_[a-z]+)+);/g)].map(([, code = '']) => code);
  });
  return new Set([...GENERAL, ...fixed, ...chosen]);
}

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
  { operation: { responses }, pointer }: DocumentedRoute,
  status: number,
): StatedResponse & { place: string } {
  const name = String(status) in responses ? String(status) : 'default';
  const { $ref: place, ...response } = responses[name] ?? {};
  if (place === undefined) return { place: `${pointer}/responses/${name}`, ...response };
  return { place, ...resolve<StatedResponse>(document, place) };
}

function headersOf(document: object, { headers = {} }: StatedResponse): Map<string, StatedHeader> {
  return new Map(
    Object.entries(headers).map(([name, { $ref, ...header }]) => [
      name,
      $ref === undefined ? header : resolve<StatedHeader>(document, $ref),
    ]),
  );
}

/** A media type without its parameters. */
const bareType = (type: string): string => type.split(';')[0]?.trim() ?? '';

/** What an answer of a route breaks; the gateway's own problems may stand before any route. */
function createRouteCheck(document: object, findFault: FindFault) {
  const general = gatewayCodes();
  return (route: DocumentedRoute, { status, type, body, headers }: Answer): string | undefined => {
    const { responses } = route.operation;
    if (status < 400 && !(String(status) in responses)) return 'the status is not documented';
    const { place, content, ...stated } = findStated(document, route, status);
    const headerBreach =
      String(status) in responses && findHeaderBreach(headersOf(document, stated), headers);
    if (headerBreach) return headerBreach;
    if (content === undefined) return body === undefined ? undefined : 'a body is not documented';
    const key = Object.keys(content).find((one) => bareType(one) === type);
    if (key === undefined) {
      if (type === PROBLEM_TYPE) return findFault(schemaPointer(PROBLEM, type), body);
      return '*/*' in content || type === '' ? undefined : `${type} is not documented`;
    }
    if (body === undefined) return undefined;
    const fault = findFault(schemaPointer(place, key), body);
    const { code = '' } = (body ?? {}) as { code?: string };
    const isGeneral = status > 399 && type === PROBLEM_TYPE && general.has(code);
    if (fault === undefined && !isGeneral && !(String(status) in responses))
      return `the status with the code ${code} is not documented`;
    return fault !== undefined && isGeneral ? findFault(schemaPointer(PROBLEM, type), body) : fault;
  };
}

/** The bare paths of the seed documents are those of the API. */
const normalize = (path: string): string =>
  path.replace(/\?.*$/, '').replace(/^\/(?=(auth|users|vendor-profiles)(\/|$))/, '/api/');

export function loadContract(): Contract {
  const document = readOpenapi();
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

/**
 * Holds an answer against the contract, without taking its body away from the test.
 * @throws Error with the breach
 */
export async function holdToContract(
  contract: Contract,
  { method, path }: Pick<Answer, 'method' | 'path'>,
  answer: Response,
): Promise<void> {
  const type = bareType(answer.headers.get('content-type') ?? '');
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
    headers: answer.headers,
    ...(body !== undefined && { body }),
  });
  if (breach !== undefined)
    throw new Error(`${method} ${path} breaks docs/openapi.json (make documents): ${breach}`);
}
