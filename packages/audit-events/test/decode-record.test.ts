import { test } from 'tap';
import { canonicalJson } from '../src/canonical.ts';
import { decodeRecord, sealedForm } from '../src/decode-record.ts';
import { MAX_EVENT_BYTES } from '../src/event.ts';
import { anEvent } from './an-event.ts';

const bytes = (text: string): Buffer => Buffer.from(text);
const faultOf = (data: Uint8Array): string => {
  const decoded = decodeRecord(data);
  return 'fault' in decoded ? decoded.fault : 'none';
};

test('what a producer made is read back byte for byte', (t) => {
  const event = anEvent();
  const text = canonicalJson(event);
  t.same(decodeRecord(bytes(text)), { event, text });
  t.end();
});

test('text that only looks like an escaped NUL is text', (t) => {
  const text = canonicalJson(anEvent({ metadata: { path: '\\u0000' } }));
  t.match(text, /\\\\u0000/);
  t.equal(faultOf(bytes(text)), 'none');
  t.match(faultOf(bytes(canonicalJson(anEvent({ metadata: { deep: [{ name: '\0' }] } })))), /NUL/);
  t.end();
});

test('what is no event in canonical form comes back as a fault and never throws', (t) => {
  const event = anEvent();
  const text = canonicalJson(event);
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', bytes(''), /JSON/],
    ['no JSON', bytes('{'), /JSON/],
    ['null', bytes('null'), /object/],
    ['an array', bytes('[]'), /object/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /UTF-8/],
    ['a byte order mark', bytes(`\ufeff${text}`), /JSON|canonical/],
    [
      'other key order',
      bytes(JSON.stringify(Object.fromEntries(Object.entries(event).toReversed()))),
      /canonical/,
    ],
    ['white space', bytes(` ${text}`), /canonical/],
    [
      'a doubled key',
      bytes(text.replace('{"action":', '{"action":"OTHER","action":')),
      /canonical/,
    ],
    [
      'an escaped lone surrogate',
      bytes(text.replace('"error":null', '"error":"\\ud800"')),
      /canonical/,
    ],
    ['a NUL', bytes(text.replace('"error":null', '"error":"\\u0000"')), /NUL/],
    [
      'nesting that would overflow the stack',
      bytes(
        text.replace('"metadata":{', `"metadata":{"a":${'['.repeat(7_000)}${']'.repeat(7_000)},`),
      ),
      /nested/,
    ],
    [
      'too many bytes',
      bytes(canonicalJson({ ...event, metadata: { a: 'x'.repeat(MAX_EVENT_BYTES) } })),
      /bytes/,
    ],
    ['another version', bytes(canonicalJson({ ...event, version: 2 })), /version/],
  ];
  for (const [name, data, fault] of cases) t.match(faultOf(data), fault, name);
  t.end();
});

test('the sealed form keeps the commitment and nothing that a key would open', (t) => {
  const event = anEvent();
  const sealed = sealedForm(event);
  t.same(JSON.parse(sealed), {
    ...event,
    personal: { commitment: event.personal?.commitment, subject: event.personal?.subject },
  });
  t.equal(sealed, canonicalJson(JSON.parse(sealed)));
  t.same(JSON.parse(sealedForm(anEvent({ personal: null }))).personal, null);
  t.end();
});

test('the sealed form ignores metadata text that looks like a personal block', (t) => {
  const event = anEvent({
    metadata: { personal: { commitment: 'x' }, text: ',"personal":{"a":1},"request_id":' },
  });
  t.same(JSON.parse(sealedForm(event)).metadata, event.metadata);
  t.end();
});
