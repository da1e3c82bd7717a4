import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatedHeader } from './header-contract.ts';

const root = join(import.meta.dirname, '../..');

/** A file of the checkout. */
export const readRepository = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Reference {
  $ref?: string;
}
export interface StatedResponse extends Reference {
  content?: Record<string, object>;
  headers?: Record<string, StatedHeader & Reference>;
}
export interface Operation {
  operationId: string;
  description: string;
  parameters: object[];
  requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  responses: Record<string, StatedResponse>;
}
export interface OpenapiDocument {
  paths: Record<string, Record<string, Operation>>;
}

export interface DocumentedRoute {
  method: string;
  /** `/api/files/{id}`, or an alias. */
  path: string;
  pattern: RegExp;
  /** The operation's place in the document, as a JSON Pointer. */
  pointer: string;
  operation: Operation;
}

export const readOpenapi = (): OpenapiDocument =>
  JSON.parse(readRepository('docs/openapi.json')) as OpenapiDocument;

export const escapePointer = (name: string): string =>
  name.replaceAll('~', '~0').replaceAll('/', '~1');

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

/** Other paths of an operation, which its description names in a sentence of their own. */
function aliasesOf({ description }: Operation): string[] {
  const [sentence = ''] = /^Also at .*$/m.exec(description) ?? [];
  return [...sentence.matchAll(/`[A-Z]+ (\/[^`]*)`/g)].map(([, alias = '']) => alias);
}

/** Every route at each of its paths. */
export function listRoutes({ paths }: OpenapiDocument): DocumentedRoute[] {
  const entries = Object.entries(paths).toSorted(
    ([one], [other]) => parameters(one) - parameters(other),
  );
  return entries.flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const verb = method.toUpperCase();
      const aliases = aliasesOf(operation);
      const pointer = `#/paths/${escapePointer(path)}/${method}`;
      return [path, ...aliases].map((one) => ({
        method: verb,
        path: one,
        pattern: toPattern(one),
        pointer,
        operation,
      }));
    }),
  );
}

/** The part of a document that `#/components/…` names. */
export const resolve = <Part>(document: object, reference: string): Part =>
  reference
    .split('/')
    .slice(1)
    .reduce(
      (part: Record<string, unknown>, name) => part[name] as Record<string, unknown>,
      document as Record<string, unknown>,
    ) as Part;
