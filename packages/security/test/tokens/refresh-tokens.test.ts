import { test } from 'tap';
import {
  createRefreshToken,
  hashRefreshToken,
  isRefreshToken,
  openChild,
  sealChild,
} from '../../src/index.ts';

test('refresh tokens are stored as 32 bytes', (t) => {
  const tokens = new Set(Array.from({ length: 100 }, createRefreshToken));
  t.equal(tokens.size, 100);
  for (const token of tokens) t.match(token, /^mrt_[A-Za-z0-9_-]{43}$/);
  const [token = ''] = tokens;
  t.ok(isRefreshToken(token));
  for (const other of ['', 'mrt_', `${token}=`, `${token}\n`, token.slice(4), `x${token}`])
    t.notOk(isRefreshToken(other));
  t.equal(hashRefreshToken(token).length, 32);
  t.same(hashRefreshToken(token), hashRefreshToken(token));
  t.end();
});

test('who holds the parent reads the child', (t) => {
  const parent = createRefreshToken();
  const child = createRefreshToken();
  const sealed = sealChild(parent, child);
  t.equal(sealed.length, 75);
  t.equal(openChild(parent, sealed), child);
  t.notOk(sealed.includes(child.slice(4, 12)));
  t.notSame(sealChild(parent, child), sealed);
  t.end();
});

test('another parent, its stored hash, or a changed byte opens nothing', (t) => {
  const parent = createRefreshToken();
  const sealed = sealChild(parent, createRefreshToken());
  t.throws(() => openChild(createRefreshToken(), sealed), { code: 'SEAL_BROKEN' });
  t.throws(() => openChild(hashRefreshToken(parent).toString('latin1'), sealed), {
    code: 'SEAL_BROKEN',
  });
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    t.throws(() => openChild(parent, changed), { code: 'SEAL_BROKEN' });
  }
  t.throws(() => openChild(parent, sealed.subarray(0, 20)), { code: 'SEAL_BROKEN' });
  t.end();
});
