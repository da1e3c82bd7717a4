/** Makes the generated part of packages/api-client from the OpenAPI document (decision 0048). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'oxfmt';
import { isObject } from '../json.ts';
import { listOperations, resolve, type ClientOperation } from './operations.ts';
import { renderComment, renderType } from './typescript-types.ts';

const root = join(import.meta.dirname, '../../..');
const HEAD = '// Made by `make documents` from docs/openapi.json. Do not edit.\n\n';

type Node = Record<string, unknown>;

const isProblem = (name: string): boolean => name.endsWith('Problem') && name !== 'Problem';

function renderSchemas(schemas: Record<string, Node>): string {
  const types = Object.entries(schemas)
    .filter(([name]) => !isProblem(name))
    .map(
      ([name, schema]) => `${renderComment(schema['description'])}${name}: ${renderType(schema)};`,
    );
  return `${HEAD}/** The components of the document, by name. */
export interface Schemas {
${types.join('\n')}
}
`;
}

/** The `code` of each problem that the document names. */
function listCodes(document: Node, schemas: Record<string, Node>): string[] {
  const codes = Object.entries(schemas)
    .filter(([name]) => isProblem(name))
    .flatMap(([, { allOf }]) => (Array.isArray(allOf) ? allOf : []))
    .map((part) => resolve(document, part)['properties'])
    .map((properties) => (isObject(properties) ? (properties['code'] as Node)['const'] : undefined))
    .filter((code) => typeof code === 'string');
  return [...new Set(codes)].toSorted();
}

function renderProblemCodes(codes: readonly string[]): string {
  const names = codes.map((code) => `\n  | '${code}'`).join('');
  return `${HEAD}/** Each \`code\` of the document. Its sentence stands there too. */
export type ProblemCode =${names};
`;
}

function renderApi(groups: ReadonlyMap<string, readonly ClientOperation[]>): string {
  const types = [...groups].map(([group, operations]) => {
    const methods = operations.map(({ name, method, path, summary, input, data, item }) => {
      const type =
        item === undefined ? `Call<${input}, ${data}>` : `ListCall<${input}, ${data}, ${item}>`;
      return `${renderComment(`${summary} \`${method} ${path}\``)}${name}: ${type};`;
    });
    return `${group}: {\n${methods.join('\n')}\n};`;
  });
  return `${HEAD}import type { Call, ListCall, NoInput } from '../core/call.ts';
import type { Schemas } from './schemas.ts';

/** Each operation of the document, under its tag. */
export interface Api {
${types.join('\n')}
}
`;
}

function renderRoutes(groups: ReadonlyMap<string, readonly ClientOperation[]>): string {
  const rows = [...groups].map(([group, operations]) => {
    const routes = operations.map((operation) => {
      const { name, method, path, answer, isKeyed, isForm, isPublic, item } = operation;
      const flags = Object.entries({ isKeyed, isForm, isPublic, isList: item !== undefined })
        .filter(([, value]) => value)
        .map(([flag]) => `${flag}: true`);
      const fields = [`method: '${method}'`, `path: '${path}'`, `answer: '${answer}'`, ...flags];
      return `${name}: { ${fields.join(', ')} },`;
    });
    return `${group}: {\n${routes.join('\n')}\n},`;
  });
  return `${HEAD}import type { Route } from '../core/call.ts';
import type { Api } from './api.ts';

/** What the client must know of each operation to call it. */
export const ROUTES: { [Group in keyof Api]: Record<keyof Api[Group], Route> } = {
${rows.join('\n')}
};
`;
}

/** Path and text of each generated file. The same document gives the same text. */
export async function renderClient(openapi: string): Promise<[file: string, text: string][]> {
  const document = JSON.parse(openapi) as Node;
  const { schemas } = document['components'] as { schemas: Record<string, Node> };
  const groups = Map.groupBy(listOperations(document), ({ group }) => group);
  const { ignorePatterns: _, ...style } = JSON.parse(
    await readFile(join(root, '.oxfmtrc.json'), 'utf8'),
  ) as Node;
  const texts = {
    'api.ts': renderApi(groups),
    'problem-codes.ts': renderProblemCodes(listCodes(document, schemas)),
    'routes.ts': renderRoutes(groups),
    'schemas.ts': renderSchemas(schemas),
  };
  return Promise.all(
    Object.entries(texts).map(async ([name, text]): Promise<[string, string]> => {
      const { code, errors } = await format(name, text, style);
      if (errors.length > 0) throw new Error(`${name}: ${errors[0]?.message}`);
      return [`packages/api-client/src/generated/${name}`, code];
    }),
  );
}
