import { isObject } from '../json.ts';

type Schema = Record<string, unknown>;

const PRIMITIVES: Record<string, string> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
};

export const quoteName = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);

/** Columns of a comment's text, for one that is indented twice. */
const COMMENT_WIDTH = 88;

function wrap(text: string): string[] {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length > COMMENT_WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

/** A doc comment, or nothing. A text cannot end its comment early. */
export function renderComment(text: unknown): string {
  if (typeof text !== 'string' || text.trim() === '') return '';
  const lines = wrap(text.trim().replaceAll('*/', '*\\/'));
  if (lines.length === 1) return `/** ${lines[0]} */\n`;
  return `/**\n${lines.map((line) => ` * ${line}`).join('\n')}\n */\n`;
}

function renderProperties(schema: Schema): string {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.entries(properties)
    .map(([name, property]) => {
      const { description } = property as Schema;
      const mark = required.includes(name) ? '' : '?';
      return `${renderComment(description)}${quoteName(name)}${mark}: ${renderType(property)};`;
    })
    .join('\n');
}

/** What names outside `properties` may hold; undefined where the schema does not speak of them. */
function findOtherValues(schema: Schema): unknown {
  const { patternProperties, additionalProperties } = schema;
  if (isObject(patternProperties)) return Object.values(patternProperties)[0];
  if (additionalProperties === true) return {};
  return isObject(additionalProperties) ? additionalProperties : undefined;
}

function renderObject(schema: Schema): string {
  const others = findOtherValues(schema);
  // Named fields and others together would have to agree, so the others are unknown then.
  const isMixed = Object.keys((schema['properties'] as object | undefined) ?? {}).length > 0;
  const index =
    others === undefined ? '' : `[name: string]: ${isMixed ? 'unknown' : renderType(others)};`;
  const body = [renderProperties(schema), index].filter(Boolean).join('\n');
  return body === '' ? 'Record<string, unknown>' : `{\n${body}\n}`;
}

function renderNamed(schema: Schema, type: unknown): string {
  if (type === 'array') return `(${renderType(schema['items'] ?? {})})[]`;
  if (type === 'object') return renderObject(schema);
  return PRIMITIVES[String(type)] ?? 'unknown';
}

const join = (types: readonly string[], sign: '|' | '&'): string =>
  types.length === 1 ? (types[0] as string) : `(${[...new Set(types)].join(` ${sign} `)})`;

/**
 * The TypeScript type of a JSON Schema (2020-12), of the words that our routes use. What it does
 * not know is `unknown`.
 */
export function renderType(given: unknown): string {
  const schema = isObject(given) ? given : {};
  const { $ref, allOf, type } = schema;
  if (typeof $ref === 'string') return `Schemas[${JSON.stringify($ref.split('/').at(-1))}]`;
  if ('contentMediaType' in schema) return 'Blob';
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum']))
    return join(
      schema['enum'].map((value) => JSON.stringify(value)),
      '|',
    );
  const choices = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(choices)) return join(choices.map(renderType), '|');
  if (Array.isArray(allOf)) return join(allOf.map(renderType), '&');
  const types: unknown[] = Array.isArray(type) ? type : [type];
  return join(
    types.map((one) => renderNamed(schema, one)),
    '|',
  );
}
