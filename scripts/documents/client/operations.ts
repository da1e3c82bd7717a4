import { isObject } from '../json.ts';
import { quoteName, renderType } from './typescript-types.ts';

type Node = Record<string, unknown>;

/** How the client reads an answer. */
export type AnswerKind = 'json' | 'text' | 'stream' | 'none';

/** One operation of the document, as the client needs it. */
export interface ClientOperation {
  /** `apiTokens` of `api-tokens.create_api_token`. */
  group: string;
  /** `createApiToken` of the same. */
  name: string;
  method: string;
  path: string;
  summary: string;
  answer: AnswerKind;
  /** Whether the route takes an Idempotency-Key. */
  isKeyed: boolean;
  isForm: boolean;
  /** Whether it needs no credentials. */
  isPublic: boolean;
  /** The type of the caller's argument, and that of the answer. */
  input: string;
  data: string;
  /** The type of an element, where the answer is a page. */
  item: string | undefined;
}

const toCamel = (text: string): string =>
  text.replaceAll(/[^A-Za-z0-9]+(.)/g, (_, letter: string) => letter.toUpperCase());

/** Follows one reference. @throws for a name that the document lacks */
export function resolve(document: Node, node: unknown): Node {
  const { $ref } = node as Node;
  if (typeof $ref !== 'string') return node as Node;
  let target: unknown = document;
  for (const name of $ref.split('/').slice(1)) target = (target as Node)[name];
  if (!isObject(target)) throw new Error(`${$ref} is not in the document`);
  return target;
}

function contentOf(answer: Node): [string, Node][] {
  return Object.entries((answer['content'] as Record<string, Node> | undefined) ?? {});
}

function findKind(answers: readonly Node[]): AnswerKind {
  const types = answers.flatMap((answer) => contentOf(answer).map(([type]) => type));
  if (types.length === 0) return 'none';
  if (types.every((type) => type === 'application/json')) return 'json';
  return types.every((type) => type === 'text/plain') ? 'text' : 'stream';
}

const DATA_TYPES = {
  text: 'string',
  stream: 'ReadableStream<Uint8Array<ArrayBuffer>>',
  none: 'undefined',
};

function renderData(kind: AnswerKind, answers: readonly Node[]): string {
  if (kind !== 'json') return DATA_TYPES[kind];
  const types = answers.flatMap((answer) =>
    contentOf(answer).map(([, { schema }]) => renderType(schema)),
  );
  return [...new Set(types)].join(' | ');
}

/** The type of an element: a page is a bare array with a Link, or has `data` and `next_cursor`. */
function renderItem(document: Node, answers: readonly Node[]): string | undefined {
  const [answer = {}] = answers;
  const schema = contentOf(answer)[0]?.[1]['schema'];
  if (!isObject(schema)) return undefined;
  if (schema['type'] === 'array' && isObject(answer['headers']) && 'Link' in answer['headers'])
    return renderType(schema['items']);
  const { properties } = resolve(document, schema);
  if (!isObject(properties) || !('next_cursor' in properties)) return undefined;
  const { data } = properties;
  return isObject(data) ? renderType(data['items']) : undefined;
}

function renderInput(operation: Node, parameters: readonly Node[]): string {
  const fields = ['path', 'query'].flatMap((place) => {
    const here = parameters.filter((parameter) => parameter['in'] === place);
    if (here.length === 0) return [];
    const isNeeded = here.some(({ required }) => required === true);
    const properties = here.map(({ name, schema }) => [name, schema]);
    const required = here.filter((one) => one['required'] === true).map(({ name }) => name);
    const type = renderType({
      type: 'object',
      properties: Object.fromEntries(properties) as Node,
      required,
    });
    return [`${place}${isNeeded ? '' : '?'}: ${type};`];
  });
  const { requestBody } = operation;
  if (isObject(requestBody)) {
    const [, { schema } = {}] = contentOf(requestBody)[0] ?? [];
    fields.push(`body${requestBody['required'] === true ? '' : '?'}: ${renderType(schema)};`);
  }
  return fields.length === 0 ? 'NoInput' : `{ ${fields.join('\n')} }`;
}

function readOperation(
  document: Node,
  { path, method, operation }: { path: string; method: string; operation: Node },
): ClientOperation {
  const [group = '', ...names] = String(operation['operationId']).split('.');
  const given = (operation['parameters'] as Node[] | undefined) ?? [];
  const parameters = given.map((one) => resolve(document, one));
  const answers = Object.entries(operation['responses'] as Record<string, Node>)
    .filter(([status]) => status.startsWith('2'))
    .map(([, answer]) => resolve(document, answer));
  const kind = method === 'head' ? 'none' : findKind(answers);
  const body = operation['requestBody'];
  return {
    group: quoteName(toCamel(group)),
    name: quoteName(toCamel(names.join('_'))),
    method: method.toUpperCase(),
    path,
    summary: String(operation['summary']),
    answer: kind,
    isKeyed: parameters.some(({ name }) => name === 'Idempotency-Key'),
    isForm: isObject(body) && contentOf(body)[0]?.[0] === 'multipart/form-data',
    isPublic: ((operation['security'] as Node[] | undefined) ?? []).length === 0,
    input: renderInput(operation, parameters),
    data: renderData(kind, answers),
    item: kind === 'json' ? renderItem(document, answers) : undefined,
  };
}

/** All operations but the WebSocket's, in the order of the document. */
export function listOperations(document: Node): ClientOperation[] {
  const paths = document['paths'] as Record<string, Record<string, Node>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => !('101' in (operation['responses'] as Node)))
      .map(([method, operation]) => readOperation(document, { path, method, operation })),
  );
}
