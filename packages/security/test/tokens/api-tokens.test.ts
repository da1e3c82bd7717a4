import { crc32 } from 'node:zlib';
import { test } from 'tap';
import {
  createApiToken,
  denialOf,
  hashApiToken,
  isApiToken,
  needsSession,
  TOKEN_SCOPES,
} from '../../src/index.ts';

test('a token ends in the CRC-32 of its 43 characters, in base62', (t) => {
  const seen = new Set<string>();
  for (let n = 0; n < 200; n += 1) {
    const token = createApiToken();
    t.match(token, /^mun_[0-9A-Za-z]{49}$/);
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const checksum = token
      .slice(47)
      .split('')
      .reduce((sum, character) => sum * 62 + alphabet.indexOf(character), 0);
    t.equal(checksum, crc32(token.slice(4, 47)));
    t.ok(isApiToken(token));
    t.equal(hashApiToken(token).length, 32);
    seen.add(token);
  }
  t.equal(seen.size, 200);
  t.ok(new Set([...seen].map((token) => token[4])).size > 4, 'also its first character varies');
  t.end();
});

test('a token made by another program is recognised', (t) => {
  t.ok(isApiToken('mun_00000000000000000000000000000000000000000002CZclj'));
  t.end();
});

test('one character that is another, missing, doubled or swapped is noticed', (t) => {
  const token = createApiToken();
  for (let at = 4; at < token.length; at += 1)
    t.notOk(
      isApiToken(token.slice(0, at) + (token[at] === 'x' ? 'y' : 'x') + token.slice(at + 1)),
      `character ${at}`,
    );
  for (const bad of [
    token.slice(0, -1),
    `${token}0`,
    token.slice(1),
    ` ${token}`,
    `${token}\n`,
    token.replace('mun_', 'MUN_'),
    '',
    'mun_',
  ])
    t.notOk(isApiToken(bad), JSON.stringify(bad));
  t.end();
});

test('no scope exceeds the role', (t) => {
  for (const permission of [
    'sessions:manage',
    'tokens:manage',
    'account:manage',
    'service-accounts:manage',
  ] as const) {
    t.notOk(TOKEN_SCOPES.includes(permission));
    // As if a row had it all the same.
    t.equal(denialOf({ role: 'admin', scopes: [permission] }, permission), 'session_required');
    t.ok(needsSession(permission));
  }
  t.equal(denialOf({ role: 'customer', scopes: ['directory:read'] }, 'directory:read'), 'role');
  t.equal(denialOf({ role: 'admin', scopes: ['files:read'] }, 'directory:read'), 'scope');
  t.equal(denialOf({ role: 'admin', scopes: ['directory:read'] }, 'directory:read'), undefined);
  t.equal(denialOf({ role: 'admin', scopes: null }, 'tokens:manage'), undefined);
  t.end();
});
