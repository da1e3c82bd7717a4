/** The page of the AsyncAPI document: plain HTML, made here, so that it needs no script. */
import { isObject, type Json, type JsonObject } from '../json.ts';

const escape = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

/** A text with `code` in back-ticks. */
const withCode = (text: string): string => escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');

/** Sentences with `code` in back-ticks, by paragraph. */
const paragraphs = (text: unknown): string =>
  (typeof text === 'string' ? text : '')
    .split('\n\n')
    .filter((one) => one !== '')
    .map((one) => `<p>${withCode(one)}</p>`)
    .join('\n');

const codeBlock = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return `<pre><code>${escape(text)}</code></pre>`;
};

function htmlTable(columns: readonly string[], rows: readonly string[]): string {
  const head = columns.map((name) => `<th>${name}</th>`).join('');
  return [
    `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>`,
    ...rows,
    '</tbody></table></div>',
  ].join('\n');
}

type Find = (reference: string) => JsonObject;

const BOUNDS = ['minLength', 'maxLength', 'minimum', 'maximum', 'minProperties', 'pattern'];

/** A type and its bounds, as `string, uuid` or `string or null, at most 200`. */
function typeOf(schema: JsonObject): string {
  const { type, const: constant, enum: choices, format, anyOf } = schema;
  if (constant !== undefined) return `<code>${escape(JSON.stringify(constant))}</code>`;
  if (Array.isArray(choices))
    return choices.map((one) => `<code>${escape(JSON.stringify(one))}</code>`).join(', ');
  if (Array.isArray(anyOf)) return anyOf.map((one) => typeOf(one as JsonObject)).join(' or ');
  const name =
    type === undefined
      ? 'any value'
      : (type as string | string[]).toString().replaceAll(',', ' or ');
  const bounds = BOUNDS.filter((bound) => bound in schema).map(
    (bound) => `${bound} <code>${escape(String(schema[bound] as string))}</code>`,
  );
  return [name, ...(typeof format === 'string' ? [format] : []), ...bounds].join(', ');
}

/** One row for each field; those of an object within begin with its name. */
function rowsOf(given: JsonObject, find: Find, prefix = ''): string[] {
  const schema = typeof given['$ref'] === 'string' ? find(given['$ref']) : given;
  const { properties, required = [] } = schema;
  if (!isObject(properties)) return [];
  return Object.entries(properties as Record<string, JsonObject>).flatMap(([name, field]) => {
    const isRequired = (required as Json[]).includes(name);
    const row = [
      `<td><code>${escape(prefix + name)}</code></td>`,
      `<td>${typeOf(field)}</td>`,
      `<td>${isRequired ? 'yes' : ''}</td>`,
      `<td>${withCode(typeof field['description'] === 'string' ? field['description'] : '')}</td>`,
    ];
    return [`<tr>${row.join('')}</tr>`, ...rowsOf(field, find, `${prefix}${name}.`)];
  });
}

function fieldTable(schema: JsonObject, find: Find): string {
  const rows = rowsOf(schema, find);
  return rows.length === 0 ? '' : htmlTable(['Field', 'Type', 'Required', 'Meaning'], rows);
}

function messageBlock(title: string, message: JsonObject, find: Find): string {
  const [example] = message['examples'] as JsonObject[];
  return [
    `<h4>${title}</h4>`,
    paragraphs(message['description']),
    fieldTable(message['payload'] as JsonObject, find),
    codeBlock(example?.['payload']),
  ].join('\n');
}

interface Operation extends JsonObject {
  title: string;
  summary: string;
  messages: { $ref: string }[];
}

function socketSection(id: string, operation: Operation, find: Find): string {
  const { title, summary, messages, reply } = operation;
  const [answer, failure] = (reply as { messages: { $ref: string }[] }).messages;
  const failureName = escape(String(find(failure?.$ref ?? '')['name'] as string));
  return [
    `<section id="${id}">`,
    `<h3><code>${escape(title)}</code></h3>`,
    paragraphs(summary),
    messageBlock('You send', find(messages[0]?.$ref ?? ''), find),
    messageBlock('The reply', find(answer?.$ref ?? ''), find),
    `<p>Or <a href="#failure">${failureName}</a>.</p>`,
    '</section>',
  ].join('\n');
}

/** What the server sends without being asked. */
function noticeSection(id: string, operation: Operation, find: Find): string {
  const { title, summary, messages } = operation;
  return [
    `<section id="${id}">`,
    `<h3><code>${escape(title)}</code></h3>`,
    paragraphs(summary),
    messageBlock('You get, without asking', find(messages[0]?.$ref ?? ''), find),
    '</section>',
  ].join('\n');
}

/** An event as it is on the wire. Only entries have an id. */
function wireText(message: JsonObject): string {
  const [example] = message['examples'] as { payload: JsonObject }[];
  const { payload } = example ?? { payload: {} };
  const { index, gap } = payload;
  const id = Array.isArray(gap) ? Number(gap[1]) - 1 : index;
  const first = typeof id === 'number' ? `id: ${id}\n` : '';
  return `${first}event: ${String(message['name'] as string)}\ndata: ${JSON.stringify(payload)}\n`;
}

function eventBlock(message: JsonObject, find: Find): string {
  return [
    `<h4>The reply: <code>${escape(String(message['title'] as string))}</code></h4>`,
    paragraphs(message['description']),
    fieldTable(message['payload'] as JsonObject, find),
    codeBlock(wireText(message)),
  ].join('\n');
}

function streamSection(id: string, operation: Operation, find: Find): string {
  const { title, summary, description, messages, bindings } = operation;
  const { query } = (bindings as { http: { query: JsonObject } }).http;
  return [
    `<section id="${id}">`,
    `<h3><code>${escape(title)}</code></h3>`,
    paragraphs(summary),
    paragraphs(description),
    '<h4>You send: the query, and the headers <code>Authorization</code> ' +
      'and <code>Last-Event-ID</code></h4>',
    fieldTable(query, find),
    ...messages.map(({ $ref }) => eventBlock(find($ref), find)),
    '</section>',
  ].join('\n');
}

function closeCodes(codes: Json | undefined): string {
  const rows = Object.entries((codes ?? {}) as Record<string, string>).map(
    ([code, text]) => `<tr><td><code>${code}</code></td><td>${withCode(text)}</td></tr>`,
  );
  return htmlTable(['Close code', 'Meaning'], rows);
}

const LINKS =
  '<p>For programs: <a href="../asyncapi.json">asyncapi.json</a>, ' +
  '<a href="../asyncapi.yaml">asyncapi.yaml</a>. ' +
  'The rest of the interface: <a href="../docs">HTTP</a>.</p>';

/** Finds a part of the document by `#/...`. */
const findIn =
  (document: JsonObject): Find =>
  (reference) =>
    reference
      .split('/')
      .slice(1)
      .reduce((part: JsonObject, name) => (part[name] ?? {}) as JsonObject, document);

function contents(operations: readonly [string, Operation][]): string {
  const items = operations.map(
    ([id, { title, summary }]) =>
      `<li><a href="#${id}"><code>${escape(title)}</code></a> ${escape(summary)}</li>`,
  );
  return `<ul>\n${items.join('\n')}\n</ul>`;
}

/** The text of nginx/pages/api-docs-async.html. */
export function renderPage(document: JsonObject): string {
  const find = findIn(document);
  const operations = Object.entries(document['operations'] as Record<string, Operation>);
  const socket = find('#/channels/socket');
  const stream = find('#/channels/audit_stream');
  const isStream = ([, operation]: [string, Operation]): boolean => 'bindings' in operation;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Muniment: live connections</title>
    <link rel="icon" href="../../pages/icon.svg" />
    <link rel="stylesheet" href="../../pages/style.css" />
    <link rel="stylesheet" href="../../pages/api-docs-async.css" />
  </head>
  <body>
<main>
<h1>${escape((document['info'] as { title: string }).title)}</h1>
${paragraphs((document['info'] as { description: string }).description)}
${LINKS}
${contents(operations)}
<h2>WebSocket <code>/ws</code></h2>
${paragraphs(socket['description'])}
${closeCodes(socket['x-close-codes'])}
${operations
  .filter((one) => !isStream(one))
  .map(([id, operation]) =>
    'reply' in operation ? socketSection(id, operation, find) : noticeSection(id, operation, find),
  )
  .join('\n')}
<section id="failure">
${messageBlock('failure', find('#/channels/socket/messages/failure'), find)}
</section>
<h2>Stream of the audit trail</h2>
${paragraphs(stream['description'])}
${operations
  .filter(isStream)
  .map(([id, operation]) => streamSection(id, operation, find))
  .join('\n')}
</main>
  </body>
</html>
`;
}
