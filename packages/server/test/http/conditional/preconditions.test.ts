import { test } from 'tap';
import {
  isNotModified,
  isRangeAllowed,
  requirePreconditions,
  type ConditionalRequest,
} from '../../../src/http/conditional/preconditions.ts';

const validators = { etag: '"abc"', lastModified: new Date('2026-03-01T12:00:00.700Z') };
const [before, same, after] = [
  'Sun, 01 Mar 2026 11:59:59 GMT',
  'Sun, 01 Mar 2026 12:00:00 GMT',
  'Sun, 01 Mar 2026 12:00:01 GMT',
];

const read = (headers: ConditionalRequest['headers']) => ({ method: 'GET', headers });
const change = (headers: ConditionalRequest['headers']) => ({ method: 'PATCH', headers });

test('304 by If-None-Match, and by If-Modified-Since only without it', async (t) => {
  for (const [headers, expected] of [
    [{}, false],
    [{ 'if-none-match': '"abc"' }, true],
    [{ 'if-none-match': 'W/"abc"' }, true],
    [{ 'if-none-match': '"x", "abc"' }, true],
    [{ 'if-none-match': '"x,\\", W/"abc" , "y"' }, true],
    [{ 'if-none-match': '*' }, true],
    [{ 'if-none-match': '"ab"' }, false],
    [{ 'if-none-match': 'abc' }, false],
    [{ 'if-none-match': '"x"', 'if-modified-since': after }, false],
    [{ 'if-modified-since': before }, false],
    [{ 'if-modified-since': same }, true],
    [{ 'if-modified-since': after }, true],
    [{ 'if-modified-since': 'Sunday, 01-Mar-26 12:00:00 GMT' }, true],
    [{ 'if-modified-since': 'Sun Mar  1 12:00:00 2026' }, true],
    [{ 'if-modified-since': '2027' }, false],
  ] as const)
    t.equal(isNotModified(read(headers), validators), expected, JSON.stringify(headers));
});

test('412 by If-Match, strongly, and by If-Unmodified-Since only without it', async (t) => {
  for (const headers of [
    { 'if-match': '"x"' },
    { 'if-match': 'W/"abc"' },
    { 'if-match': '' },
    { 'if-unmodified-since': before },
    { 'if-match': '"x"', 'if-none-match': '"abc"' },
  ]) {
    const refusal = { code: 'PRECONDITION_FAILED' };
    t.throws(() => isNotModified(read(headers), validators), refusal, JSON.stringify(headers));
  }
  for (const headers of [
    { 'if-match': '*' },
    { 'if-match': '"x", "abc"' },
    { 'if-unmodified-since': same },
    { 'if-unmodified-since': 'nonsense' },
    { 'if-match': '"abc"', 'if-unmodified-since': before },
  ]) {
    t.equal(isNotModified(read(headers), validators), false, JSON.stringify(headers));
  }
});

test('a change is refused by every condition that does not hold, and by no other', (t) => {
  for (const headers of [
    { 'if-match': '"x"' },
    { 'if-match': 'zzz' },
    { 'if-match': 'W/"abc"' },
    { 'if-match': '' },
    { 'if-none-match': '*' },
    { 'if-none-match': ' * ' },
    { 'if-none-match': '"x", W/"abc"' },
    { 'if-match': '"abc"', 'if-none-match': '"abc"' },
    { 'if-unmodified-since': before },
    { 'if-unmodified-since': 'Sun Mar  1 11:00:00 2026' },
  ])
    t.throws(
      () => requirePreconditions(change(headers), validators),
      { code: 'PRECONDITION_FAILED', statusCode: 412 },
      JSON.stringify(headers),
    );
  for (const headers of [
    {},
    { 'if-match': '*' },
    { 'if-match': '"x", "abc"' },
    { 'if-match': '"abc"', 'if-unmodified-since': before },
    { 'if-none-match': '"x"' },
    { 'if-none-match': 'abc' },
    { 'if-unmodified-since': same },
    { 'if-unmodified-since': 'yesterday' },
    // These two are for GET and HEAD alone (RFC 9110 §13.1.3, §13.1.5).
    { 'if-modified-since': after },
    { 'if-range': '"x"' },
  ])
    t.doesNotThrow(
      () => requirePreconditions(change(headers), validators),
      JSON.stringify(headers),
    );
  t.end();
});

test('what a resource lacks cannot be named, and a date that it lacks is no condition', (t) => {
  const holds = (headers: ConditionalRequest['headers'], current: object | undefined) => {
    try {
      requirePreconditions(change(headers), current);
      return true;
    } catch {
      return false;
    }
  };
  for (const [headers, withoutValidators, absent] of [
    [{ 'if-match': '*' }, true, false],
    [{ 'if-match': '"x"' }, false, false],
    [{ 'if-none-match': '*' }, false, true],
    [{ 'if-none-match': '"x"' }, true, true],
    [{ 'if-unmodified-since': before }, true, true],
  ] as const) {
    const text = JSON.stringify(headers);
    t.equal(holds(headers, {}), withoutValidators, text);
    t.equal(holds(headers, undefined), absent, text);
  }
  t.end();
});

test('If-Range holds for the strong tag and the exact date alone', async (t) => {
  for (const [value, expected] of [
    [undefined, true],
    ['"abc"', true],
    ['W/"abc"', false],
    ['"x"', false],
    [same, true],
    [after, false],
    [before, false],
    ['nonsense', false],
  ] as const) {
    t.equal(isRangeAllowed(value, validators), expected, String(value));
  }
});
