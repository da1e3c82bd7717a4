import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { test } from 'tap';
import { renderClient } from '../scripts/documents/client/render-client.ts';
import { examples } from '../scripts/documents/openapi/examples.ts';
import type { JsonObject } from '../scripts/documents/json.ts';
import { renderDocuments } from '../scripts/documents/render-documents.ts';
import { listRoutes } from '../scripts/documents/routes.ts';

const root = join(import.meta.dirname, '..');
const file = join(root, 'docs/openapi.json');
const document = JSON.parse(readFileSync(file, 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonObject> };
};

interface Operation {
  operationId: string;
  description: string;
  security: Record<string, string[]>[];
  responses: Record<string, { $ref?: string }>;
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);
const find = (id: string): Operation | undefined =>
  operations.find(({ operation }) => operation.operationId === id)?.operation;

test('the generated documents are what routes and channels say', async (t) => {
  const rendered = await renderDocuments();
  for (const [name, text] of rendered)
    t.ok(text === readFileSync(join(root, name), 'utf8'), `${name}: run make documents`);
  t.same(await renderDocuments(), rendered, 'twice the same');
});

test('the generated part of the client is what the document says', async (t) => {
  for (const [name, text] of await renderClient(readFileSync(file, 'utf8')))
    t.ok(text === readFileSync(join(root, name), 'utf8'), `${name}: run make documents`);
});

test('each route is one operation under its own name', async (t) => {
  const names = new Set(operations.map(({ operation }) => operation.operationId));
  t.equal(names.size, operations.length);
  for (const { definition } of listRoutes()) t.ok(names.has(definition.operation));
});

test('what only operators reach is not documented', async (t) => {
  for (const path of ['/metrics', '/health/live', '/health/ready'])
    t.notOk(path in document.paths, path);
});

test('an alias is named, and has no operation of its own', async (t) => {
  t.match(find('sign-in.log_in_user')?.description, '`POST /login`');
  t.notOk('/login' in document.paths);
});

test('nullable values are two types', async (t) => {
  const { properties } = document.components.schemas['User'] ?? {};
  t.match(properties, { first_name: { type: ['string', 'null'] } });
  t.notMatch(readFileSync(file, 'utf8'), '"nullable"');
});

test('access is stated as security, and a session-only route takes no API token', async (t) => {
  const schemes = (id: string) => (find(id)?.security ?? []).flatMap((one) => Object.keys(one));
  t.same(schemes('sign-in.log_in_user'), []);
  t.same(schemes('sessions.list_sessions'), ['bearer', 'login_info', 'secure']);
  t.ok(schemes('files.list_files').includes('api_token'));
  t.ok(schemes('trail.list_logs').includes('viewer_token'));
});

test('examples belong to operations', async (t) => {
  for (const name of Object.keys(examples)) t.ok(find(name), name);
});

test('a field with a default is not demanded of callers', async (t) => {
  t.same(document.components.schemas['CreateViewerTokenRequest']?.['required'], ['tenant_id']);
});

test('each error has its code in a schema', async (t) => {
  const taken = document.components.schemas['EmailTakenProblem'];
  t.match(taken, { allOf: [{}, { properties: { code: { const: 'email_taken' } } }] });
  t.match(JSON.stringify(find('sign-in.register_user')?.responses[409]), 'EmailTaken');
});

test('every component compiles as JSON Schema 2020-12', async (t) => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'openapi.json');
  for (const name of Object.keys(document.components.schemas))
    t.type(ajv.getSchema(`openapi.json#/components/schemas/${name}`), 'function', name);
});
