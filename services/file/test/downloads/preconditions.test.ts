import { test } from 'tap';
import { isNotModified, isRangeAllowed } from '../../downloads/preconditions.ts';

const validators = { etag: '"abc"', lastModified: new Date('2026-03-01T12:00:00.700Z') };
const [before, same, after] = [
  'Sun, 01 Mar 2026 11:59:59 GMT',
  'Sun, 01 Mar 2026 12:00:00 GMT',
  'Sun, 01 Mar 2026 12:00:01 GMT',
];

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
    t.equal(isNotModified(headers, validators), expected, JSON.stringify(headers));
});

test('412 by If-Match, strongly, and by If-Unmodified-Since only without it', async (t) => {
  for (const headers of [
    { 'if-match': '"x"' },
    { 'if-match': 'W/"abc"' },
    { 'if-match': '' },
    { 'if-unmodified-since': before },
    { 'if-match': '"x"', 'if-none-match': '"abc"' },
  ]) {
    t.throws(() => isNotModified(headers, validators), /file has changed/, JSON.stringify(headers));
  }
  for (const headers of [
    { 'if-match': '*' },
    { 'if-match': '"x", "abc"' },
    { 'if-unmodified-since': same },
    { 'if-unmodified-since': 'nonsense' },
    { 'if-match': '"abc"', 'if-unmodified-since': before },
  ]) {
    t.equal(isNotModified(headers, validators), false, JSON.stringify(headers));
  }
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
