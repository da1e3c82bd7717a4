import { test } from 'tap';
import { createViewerToken, hashViewerToken, isViewerToken } from '../../src/index.ts';

test('a viewer token is stored as SHA-256', (t) => {
  const tokens = new Set(Array.from({ length: 100 }, createViewerToken));
  t.equal(tokens.size, 100);
  for (const token of tokens) {
    t.match(token, /^mav_[A-Za-z0-9_-]{43}$/);
    t.ok(isViewerToken(token));
    t.equal(hashViewerToken(token).length, 32);
  }
  for (const other of [
    '',
    'mav_',
    `mrt_${'A'.repeat(43)}`,
    `mav_${'A'.repeat(42)}`,
    `mav_${'A'.repeat(44)}`,
    `mav_${'A'.repeat(42)}=`,
    `xmav_${'A'.repeat(43)}`,
  ])
    t.notOk(isViewerToken(other), other);
  t.end();
});
