import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Operation } from '../openapi-document.ts';
import { around, type Find, type Json } from './values.ts';

/** A body as it is sent. Its text holds symbols. */
export interface FuzzBody {
  /** Content-Type; without one it is absent. */
  type?: string;
  text: string;
  /** `utf-8` unless another is sent under the same name. */
  encoding?: 'utf-16' | 'gzip' | 'broken';
}

const JSON_TYPE = 'application/json';
const BOUNDARY = 'fuzz';

/** The bytes of a body whose symbols have values. */
export function bytesOf({ text, encoding }: FuzzBody): Buffer<ArrayBuffer> {
  if (encoding === 'utf-16') return Buffer.from(text, 'utf16le');
  if (encoding === 'gzip') return Buffer.from(gzipSync(text));
  const bytes = Buffer.from(text);
  return encoding === 'broken'
    ? Buffer.concat([bytes.subarray(0, -2), Buffer.from([0xc3, 0x28])])
    : bytes;
}

const doubled = (text: string): string =>
  /^\{"[^"]+":/.test(text) ? `${text.slice(0, -1)},${text.slice(1)}` : `[${text},${text}]`;

/** Texts that are almost JSON, or more of it than anybody needs. */
const SPOILERS: readonly ((text: string) => string)[] = [
  doubled,
  (text) => text.slice(0, -1),
  (text) => `${text}}`,
  (text) => `\ufeff${text}`,
  (text) => `${' '.repeat(70_000)}${text}`,
  (text) => text.replace(/:/, ':1e999,"b":'),
  (text) => text.replace(/"/, String.raw`"\ud800`),
  (text) => text.replace(/\{/, '{"__proto__":{"a":1},'),
  () => '',
  () => '['.repeat(30_000),
];

const TYPES = [
  'application/json; charset=utf-8',
  'APPLICATION/JSON',
  'application/merge-patch+json',
  'Application/Merge-Patch+JSON',
  'text/plain',
  'application/json; charset=utf-16',
  'nonsense',
  'multipart/form-data',
  'application/x-www-form-urlencoded',
];

/** JSON as it should be, and rarely in another form, type or encoding. */
function jsonBodies(values: fc.Arbitrary<Json>): fc.Arbitrary<FuzzBody> {
  const texts = values.map((value) => JSON.stringify(value));
  const usual = texts.map((text): FuzzBody => ({ type: JSON_TYPE, text }));
  return fc.oneof(
    { weight: 12, arbitrary: usual },
    {
      weight: 1,
      arbitrary: fc
        .tuple(usual, fc.constantFrom(...SPOILERS))
        .map(([body, spoil]) => ({ ...body, text: spoil(body.text) })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(usual, fc.constantFrom(...TYPES))
        .map(([body, type]) => ({ ...body, type })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant(JSON_TYPE),
        text: texts,
        encoding: fc.constantFrom('utf-16' as const, 'gzip' as const, 'broken' as const),
      }),
    },
    { weight: 1, arbitrary: texts.map((text): FuzzBody => ({ text })) },
  );
}

const formText = (value: Json): string =>
  new URLSearchParams(
    Object.entries(value ?? {}).map(([name, one]): [string, string] => [name, String(one)]),
  )
    .toString()
    .replaceAll('%24', '$')
    .replaceAll('%3A', ':');

const part = (disposition: string, content = 'bytes'): string =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
const file = (name: string, content?: string): string =>
  part(`name="file"; filename="${name}"`, content);
const END = `--${BOUNDARY}--\r\n`;
const NAMES = [
  'a.txt',
  'Zürich 😀.pdf',
  '../../etc/passwd',
  '',
  '.',
  'a\0b',
  'x'.repeat(1_100),
  'CON',
  'a%00',
  '‮gpj.exe',
  'a/b',
  String.raw`a\"b`,
];

/** Uploads: files of all names, and forms that are not quite forms. */
function uploadBodies(): fc.Arbitrary<FuzzBody> {
  const texts = fc.oneof(
    { weight: 2, arbitrary: fc.constant(file('a.txt') + END) },
    { weight: 3, arbitrary: fc.constantFrom(...NAMES).map((name) => file(name) + END) },
    {
      weight: 1,
      arbitrary: fc.string({ unit: 'grapheme' }).map((bytes) => file('a', bytes) + END),
    },
    fc.constantFrom(
      file('a') + file('b') + END,
      file('a').repeat(3) + END,
      part('name="other"').repeat(5) + END,
      file('a') + part('name="other"').repeat(4) + END,
      part('name="other"', 'x') + file('a') + END,
      part('name="file"', 'a text') + END,
      part('name="folder"; filename="a"') + END,
      part('') + END,
      file('a'),
      file('a').slice(0, 60),
      END,
      'not a form',
      '',
    ),
  );
  const usual = `multipart/form-data; boundary=${BOUNDARY}`;
  const types = fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    fc.constantFrom(
      'multipart/form-data',
      'multipart/form-data; boundary=other',
      JSON_TYPE,
      'MULTIPART/FORM-DATA; boundary=fuzz',
      'multipart/form-data; boundary=""',
      'multipart/mixed',
    ),
  );
  return fc.record({ type: types, text: texts });
}

const ROWS: Readonly<Record<string, readonly string[]>> = {
  'text/csv': [
    'email,name\n',
    '$fresh:email,Ada\n',
    '$own:email,"A ""quoted"" name"\n',
    'a,b,c\n',
    '"open',
    ',,\n',
    'email,email\n',
    '\n',
    'ä\r\n',
    '$absent:email,\0\n',
  ],
  'application/x-ndjson': [
    '{"email":"$fresh:email","name":"Ada"}\n',
    '{"email":"$own:email"}\n',
    '{}\n',
    '[]\n',
    'null\n',
    '{"email":7}\n',
    '{\n',
    '\n',
    '{"email":"a","email":"b"}',
  ],
};

/** Files of rows, good and bad ones in any order; of CSV most with their header. */
const rowBodies = (type: string, rows: readonly string[]): fc.Arbitrary<FuzzBody> =>
  fc
    .tuple(fc.constantFrom(rows[0] ?? '', ''), fc.array(fc.constantFrom(...rows), { maxLength: 6 }))
    .map(([first, others]) => ({ type, text: first + others.join('') }));

/** The bodies of an operation: most of a valid value, a third of a broken one, some absent. */
export function bodiesOf(
  { requestBody }: Operation,
  find: Find,
): fc.Arbitrary<FuzzBody | undefined> {
  if (!requestBody)
    return fc.oneof(
      { weight: 9, arbitrary: fc.constant(undefined) },
      fc.constantFrom<FuzzBody>({ type: JSON_TYPE, text: '{}' }, { type: JSON_TYPE, text: '' }),
    );
  const each = Object.entries(requestBody.content).map(([type, { schema }]) => {
    if (type.startsWith('multipart/')) return uploadBodies();
    const rows = ROWS[type];
    if (rows) return rowBodies(type, rows);
    const { valid, broken } = around('', schema, find);
    const values = fc.oneof({ weight: 3, arbitrary: valid }, broken);
    return type === JSON_TYPE
      ? jsonBodies(values)
      : values.map((value): FuzzBody => ({ type, text: formText(value) }));
  });
  return fc.oneof({ weight: 20, arbitrary: fc.oneof(...each) }, fc.constant(undefined));
}
