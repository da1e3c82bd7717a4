import { test } from 'tap';
import { servedMediaType, sniffMediaType } from '../../files/media-type.ts';

const PNG = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010806000000' +
    '1f15c4890000000d49444154789c6300010000050001',
  'hex',
);

test('the type comes from the bytes, and from the client only for passive text', async (t) => {
  for (const [content, declared, expected] of [
    ['', 'text/plain', 'application/octet-stream'],
    [PNG, 'text/html', 'image/png'],
    ['%PDF-1.7\n', undefined, 'application/pdf'],
    [Buffer.from([0, 1, 2, 3]), 'text/plain', 'application/octet-stream'],
    [Buffer.from([0xc3, 0x28, 0x41]), 'text/plain', 'application/octet-stream'],
    ['plain words', undefined, 'text/plain'],
    ['a,b\n1,2', 'text/csv', 'text/csv'],
    ['{"a":1}', 'application/json', 'application/json'],
    ['alert(1)', 'text/javascript', 'text/plain'],
    ['alert(1)', 'text/html', 'text/plain'],
    ['<!DOCTYPE html><p>', 'text/plain', 'text/html'],
    ['\ufeff \n<HTML>', 'text/csv', 'text/html'],
    ['<!-- x --><svg onload=alert(1)>', 'image/png', 'image/svg+xml'],
    [
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
      'image/png',
      'image/svg+xml',
    ],
    ['<?xml version="1.0"?><a/>', 'text/plain', 'application/xml'],
    ['ü'.repeat(20_000), undefined, 'text/plain'],
    [`x${'ü'.repeat(20_000)}`, undefined, 'text/plain'],
  ] as const)
    t.equal(
      await sniffMediaType(Buffer.from(content), declared),
      expected,
      `${String(content).slice(0, 30)} ${declared}`,
    );
});

test('what a browser might act on is served as bytes', async (t) => {
  for (const active of [
    'text/html',
    'image/svg+xml',
    'application/xml',
    'text/xml',
    'application/xhtml+xml',
    'text/javascript',
    'application/rss+xml',
    'text/css',
    'multipart/x-mixed-replace',
    'not a type',
    'text/html; charset=utf-8',
    '',
  ]) {
    t.equal(servedMediaType(active), 'application/octet-stream', active);
  }
  t.equal(servedMediaType('image/png'), 'image/png');
  t.equal(servedMediaType('text/csv'), 'text/csv; charset=utf-8');
});
