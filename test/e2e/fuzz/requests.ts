import fc from 'fast-check';
import { resolve, type DocumentedRoute, type OpenapiDocument } from '../openapi-document.ts';
import { bodiesOf, type FuzzBody } from './bodies.ts';
import { kindOfId } from './hints.ts';
import { symbolOf, type Kind } from './symbols.ts';
import { around, type Around, type Find, type Json, type Schema } from './values.ts';

/** A request whose texts hold symbols in the place of ids. */
export interface FuzzRequest {
  operation: string;
  method: string;
  /** Encoded, with its query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: FuzzBody;
}

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

/** Escapes of a URL, without symbols. A lone surrogate becomes U+FFFD, as UTF-8 has none. */
const encode = (text: string): string =>
  text
    .split(/(\$[a-z]+:[A-Za-z]+)/)
    .map((part, index) => (index % 2 === 1 ? part : encodeURIComponent(part.toWellFormed())))
    .join('');

/** fetch would take a part of dots away. */
const encodePart = (text: string): string => encode(/^\.\.?$/.test(text) ? `x${text}` : text);

/** As it is sent within a URL: all values are texts there. */
const toText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

const idsOf = (kind: Kind): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(symbolOf('own', kind)) },
    { weight: 3, arbitrary: fc.constant(symbolOf('foreign', kind)) },
    { weight: 1, arbitrary: fc.constant(symbolOf('absent', kind)) },
  );

/** What no encoder makes: bytes that are not UTF-8, half an escape, a slash within a part. */
const RAW_TEXTS = ['%ff', '%C3%28', '%', '%zz', 'a%2Fb', '%00', 'x'.repeat(600), '%F0%9F%98%80'];

const mostly = <Value>(usual: fc.Arbitrary<Value>, other: fc.Arbitrary<Value>, weight = 6) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: other });

function pathsOf(path: string, parameters: readonly Parameter[], find: Find): fc.Arbitrary<string> {
  const named = new Map(parameters.map((one) => [one.name, one]));
  const parts = path.split(/(\{[^}]+\})/).map((part): fc.Arbitrary<string> => {
    const name = part.slice(1, -1);
    const { schema } = named.get(name) ?? {};
    if (!part.startsWith('{') || !schema) return fc.constant(part);
    if (name === 'path')
      return fc.constantFrom('0', '0/1', 'x000/000', 'x001/x234/067.p/5', '..%2f');
    const values = around(name, schema, find);
    const kind = name === 'id' || name === 'userId' ? kindOfId(path) : 'delivery';
    const usual =
      schema.format === 'uuid' ? idsOf(kind) : values.valid.map((one) => encodePart(toText(one)));
    const other = fc.oneof(
      values.broken.map((one) => encodePart(toText(one))),
      fc.constantFrom(...RAW_TEXTS),
    );
    return mostly(usual, other, 8);
  });
  return fc.tuple(...parts).map((all) => all.join(''));
}

type Pair = readonly [name: string, value: string];

/** Some fields of a query; sometimes one is broken, doubled or unknown. */
function queriesOf(parameters: readonly Parameter[], find: Find): fc.Arbitrary<string> {
  const fields = parameters.map((one) => ({ ...one, values: around(one.name, one.schema, find) }));
  const pairOf = (name: string, values: Around['valid']): fc.Arbitrary<Pair> =>
    values.map((value) => [name, encode(toText(value))] as const);
  const needed = fields.filter(({ required }) => required);
  const optional = fields.filter(({ required }) => !required);
  const valid = fc
    .subarray(optional, { maxLength: Math.min(3, optional.length) })
    .chain((some) =>
      fc.tuple(...[...needed, ...some].map(({ name, values }) => pairOf(name, values.valid))),
    );
  const oneMore = fc.oneof(
    ...fields.map(({ name, values }) => pairOf(name, values.broken)),
    ...fields.map(({ name, values }) => pairOf(name, values.valid)),
    fc.constantFrom<Pair>(['unknown', '1'], ['limit[]', '1'], ['__proto__', 'x'], ['', '']),
    fc.constantFrom(...RAW_TEXTS).map((raw): Pair => [fields[0]?.name ?? 'x', raw]),
  );
  const pairs = mostly<readonly Pair[]>(
    valid,
    fc.tuple(valid, oneMore).map(([some, other]) => [...some, other]),
    fields.length > 0 ? 3 : 12,
  );
  return pairs.map((all) =>
    all.length === 0 ? '' : `?${all.map(([name, value]) => `${encode(name)}=${value}`).join('&')}`,
  );
}

const ETAGS = ['*', '"x"', 'W/"x"', '"a", "b"', 'x', '', '"'];
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'if-match': ETAGS,
  'if-none-match': ETAGS,
  'if-modified-since': ['Mon, 30 Nov 2026 09:15:00 GMT', '1', 'yesterday'],
  'if-unmodified-since': ['Mon, 01 Jan 2001 00:00:00 GMT', 'never'],
  'idempotency-key': [symbolOf('fresh', 'key'), `"${symbolOf('fresh', 'key')}"`, 'a b', '', 'é'],
  'last-event-id': ['0', '-1', 'x', '9007199254740993'],
  range: ['bytes=0-3', 'bytes=-1', 'bytes=9-', 'bytes=5-1', 'bytes=0-0,2-3', 'lines=1-2', 'bytes='],
  'if-range': ['"x"', 'Mon, 30 Nov 2026 09:15:00 GMT'],
  accept: ['text/html', 'application/json;q=0', 'x'],
  'accept-language': ['de', '*', 'x'.repeat(200)],
  cookie: ['login_info=x; secure=y', 'device=x', 'a'],
  origin: ['https://evil.example', 'null'],
  traceparent: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'x'],
};
const ANYWHERE = [
  'accept',
  'accept-language',
  'cookie',
  'if-modified-since',
  'if-unmodified-since',
  'origin',
  'traceparent',
];

function headersOf(parameters: readonly Parameter[]): fc.Arbitrary<Record<string, string>> {
  const stated = parameters.map(({ name }) => name.toLowerCase());
  const ranges = stated.includes('range') ? ['if-range'] : [];
  const valueOf = (name: string) =>
    fc.constantFrom(...(HEADERS[name] ?? ['x'])).map((value) => ({ [name]: value }));
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    { weight: 2, arbitrary: fc.constantFrom(...stated, ...ranges, 'accept').chain(valueOf) },
    { weight: 1, arbitrary: fc.constantFrom(...ANYWHERE, ...stated).chain(valueOf) },
  );
}

/** All kinds of requests of a route, most of them admissible. */
export function requestsOf(
  document: OpenapiDocument,
  { method, path, operation }: DocumentedRoute,
): fc.Arbitrary<FuzzRequest> {
  const find: Find = (reference) => resolve<Schema>(document, reference);
  const parameters = operation.parameters.map((one): Parameter => {
    const { $ref } = one as { $ref?: string };
    return $ref === undefined ? (one as Parameter) : resolve<Parameter>(document, $ref);
  });
  const within = (place: Parameter['in']) => parameters.filter((one) => one.in === place);
  const bodies = bodiesOf(operation, find);
  return fc
    .record({
      method: mostly(fc.constant(method), fc.constantFrom('HEAD', 'DELETE', 'PUT', 'POST'), 60),
      path: pathsOf(path, within('path'), find),
      query: queriesOf(within('query'), find),
      headers: headersOf(within('header')),
      body: bodies,
    })
    .map(({ query, body, ...rest }) => ({
      operation: operation.operationId,
      ...rest,
      path: rest.path + query,
      ...(body && !['GET', 'HEAD'].includes(rest.method) && { body }),
    }));
}
