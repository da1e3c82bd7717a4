import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { test } from 'tap';
import type { JsonObject } from '../scripts/documents/json.ts';
import { channels } from '../services/user/web-socket/answer-message.ts';
import { CLOSE_CODES } from '../services/user/web-socket/server-messages.ts';

const folder = join(import.meta.dirname, '../docs');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

interface Message {
  payload: JsonObject;
  examples: { payload: unknown }[];
}
interface Reference {
  $ref: string;
}
interface Operation {
  action: string;
  messages: Reference[];
  reply?: { messages: Reference[] };
}
interface Document {
  channels: Record<string, { messages: Record<string, Message>; 'x-close-codes'?: JsonObject }>;
  operations: Record<string, Operation>;
}

const document = JSON.parse(read('asyncapi.json')) as Document;

test('both forms of the document are valid AsyncAPI 3', async (t) => {
  for (const name of ['asyncapi.json', 'asyncapi.yaml']) {
    const found = await new Parser().validate(read(name));
    // It recommends 3.1, which few viewers read yet.
    const faults = found.filter(({ code }) => code !== 'asyncapi-latest-version');
    t.strictSame(
      faults.map(({ message, path }) => `${path.join('.')}: ${message}`),
      [],
      name,
    );
  }
});

test('each channel of the socket is an operation with its answer and the failure', (t) => {
  for (const { name } of channels) {
    const id = name.replace('/', '_');
    const { action, messages, reply } = document.operations[id] ?? {};
    t.equal(action, 'receive', name);
    t.same(messages, [{ $ref: `#/channels/socket/messages/${id}` }]);
    t.same(reply?.messages, [
      { $ref: `#/channels/socket/messages/${id}_answer` },
      { $ref: '#/channels/socket/messages/failure' },
    ]);
  }
  t.equal(document.operations['stream_logs']?.action, 'send');
  t.end();
});

test('every code by which the server closes a socket is documented', (t) => {
  const documented = Object.keys(document.channels['socket']?.['x-close-codes'] ?? {});
  for (const code of Object.values(CLOSE_CODES)) t.ok(documented.includes(String(code)), `${code}`);
  t.end();
});

test('each message has an example that its schema takes', (t) => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'asyncapi.json');
  for (const [channel, { messages }] of Object.entries(document.channels))
    for (const [name, { examples }] of Object.entries(messages)) {
      const $ref = `asyncapi.json#/channels/${channel}/messages/${name}/payload`;
      const validate = ajv.compile({ $ref });
      t.ok(validate(examples[0]?.payload), `${name} ${JSON.stringify(validate.errors)}`);
    }
  t.end();
});

test('the page shows each operation with its reply, and loads nothing foreign', (t) => {
  const page = readFileSync(join(folder, '../nginx/pages/api-docs-async.html'), 'utf8');
  for (const id of Object.keys(document.operations)) {
    const section = page.split(`<section id="${id}">`)[1]?.split('</section>')[0] ?? '';
    if (id === 'token_expiring') t.match(section, '<h4>You get, without asking', id);
    else {
      t.match(section, '<h4>You send', id);
      t.match(section, '<h4>The reply', id);
    }
  }
  t.notMatch(page, /<script|<style|style=|(src|href)="(https?:|\/)/);
  t.end();
});
