import Fastify from 'fastify';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { type Test, test } from 'tap';
import { accessTokens } from '../../src/index.ts';
import { assemble, audience, forgeries, issuer, keyPair, ringOf, validClaims } from '../forgery.ts';

const userId = '019a0000-0000-7000-8000-000000000001';
const sessionId = '019a0000-0000-7000-8000-000000000002';
const sessionExpiresAt = new Date(Date.now() + 90 * 86_400_000);

const build = async (t: Test, { ttlSeconds = 900, cacheSize = 1_000 } = {}) => {
  const pair = keyPair('key-1');
  const { keys, counted } = ringOf([pair.row], t);
  await keys.refresh();
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(accessTokens, {
    keys,
    issuer,
    audience,
    cacheSize,
    signing: { key: pair.signing, ttlSeconds },
  });
  return { app, pair, keys, counted, tokens: app.accessTokens };
};

test('an issued token verifies with its claims', async (t) => {
  const { tokens } = await build(t);
  const before = Math.floor(Date.now() / 1_000);
  const { token, tokenId, expiresIn, expiresAt } = tokens.issue({
    userId,
    sessionId,
    role: 'vendor',
    sessionExpiresAt,
  });
  const claims = await tokens.verify(token);
  t.match(claims, {
    kid: 'key-1',
    iss: issuer,
    aud: audience,
    sub: userId,
    sid: sessionId,
    jti: tokenId,
    role: 'vendor',
  });
  t.ok(claims.iat >= before && claims.exp === claims.iat + 900 && expiresIn === 900);
  t.equal(expiresAt.getTime(), claims.exp * 1_000);
  t.same(decodeProtectedHeader(token), { alg: 'EdDSA', typ: 'JWT', kid: 'key-1' });
  t.equal(decodeJwt(token).kid, 'key-1', 'kid in the claims too, for cookie mode');
  t.same(await tokens.verify(token), claims, 'from the cache the same');
  t.not(tokens.issue({ userId, sessionId, role: 'vendor', sessionExpiresAt }).tokenId, tokenId);
});

test('a token ends with its session where that comes first', async (t) => {
  const { tokens } = await build(t);
  const ends = new Date(Date.now() + 10_500);
  const { token, expiresIn, expiresAt } = tokens.issue({
    userId,
    sessionId,
    role: 'customer',
    sessionExpiresAt: ends,
  });
  t.ok(
    expiresAt <= ends && expiresAt.getTime() > ends.getTime() - 1_001,
    'to the second before it',
  );
  t.ok(expiresIn >= 9 && expiresIn <= 11);
  t.equal((await tokens.verify(token)).exp, expiresAt.getTime() / 1_000);
  const over = tokens.issue({
    userId,
    sessionId,
    role: 'customer',
    sessionExpiresAt: new Date(Date.now() - 5_000),
  });
  t.equal(over.expiresIn, 0);
  await t.rejects(tokens.verify(over.token), { code: 'UNAUTHENTICATED' });
});

test('an independent implementation verifies it by the JWKS alone', async (t) => {
  const { tokens, keys } = await build(t);
  const jwks = Fastify();
  t.teardown(() => jwks.close());
  jwks.get('/.well-known/jwks.json', async () => keys.jwks());
  const url = await jwks.listen({ port: 0, host: '127.0.0.1' });
  const { token } = tokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt });
  const { payload } = await jwtVerify(
    token,
    createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`)),
    { issuer, audience, algorithms: ['EdDSA'] },
  );
  t.equal(payload.sub, userId);
});

test('the hand-made token that the forgeries vary is itself accepted', async (t) => {
  const { tokens, pair } = await build(t);
  const token = assemble(
    { alg: 'EdDSA', typ: 'JWT', kid: 'key-1' },
    validClaims('key-1'),
    pair.privateKey,
  );
  await t.resolves(tokens.verify(token));
});

test('forgeries of a cached token are refused', async (t) => {
  const { tokens, pair } = await build(t);
  const { token } = tokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt });
  await tokens.verify(token);
  for (const [name, forged] of Object.entries(forgeries('key-1', pair, token))) {
    await t.rejects(tokens.verify(forged), { code: 'UNAUTHENTICATED', statusCode: 401 }, name);
    await t.rejects(tokens.verify(forged), { code: 'UNAUTHENTICATED' }, `${name}, again`);
  }
});

test('jwtVerify of @fastify/jwt is pinned alike', async (t) => {
  const { app, pair, tokens } = await build(t);
  app.get('/', async (request) => request.jwtVerify());
  const call = (token: string) =>
    app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } });
  const { token } = tokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt });
  t.equal((await call(token)).statusCode, 200);
  const {
    'alg none': none = '',
    'HS256 with the public key in PEM': hs256 = '',
    'wrong audience': wrongAudience = '',
    'unknown kid': unknownKid = '',
  } = forgeries('key-1', pair, token);
  for (const forged of [none, hs256, wrongAudience, unknownKid])
    t.not((await call(forged)).statusCode, 200);
});

test('forged kids and algorithms cause at most one read of the keys', async (t) => {
  const { tokens, pair, counted } = await build(t);
  const before = counted.reads;
  const forge = (i: number, alg: string) => {
    const kid = `forged-${i}`;
    return assemble(
      { alg, typ: 'JWT', kid },
      validClaims(kid),
      alg === 'EdDSA' ? pair.privateKey : { hmac: 'x' },
    );
  };
  for (let i = 0; i < 200; i++) await t.rejects(tokens.verify(forge(i, 'HS256')));
  t.equal(counted.reads, before, 'another algorithm is refused before the kid counts');
  for (let i = 0; i < 200; i++) await t.rejects(tokens.verify(forge(i, 'EdDSA')));
  t.ok(counted.reads - before <= 2, `${counted.reads - before} reads`);
});

test('a cached token dies at its exp', async (t) => {
  const { tokens } = await build(t);
  const { token, expiresAt } = tokens.issue({
    userId,
    sessionId,
    role: 'customer',
    sessionExpiresAt,
  });
  await t.resolves(tokens.verify(token));
  const { now } = Date;
  t.teardown(() => (Date.now = now));
  Date.now = () => expiresAt.getTime() - 1;
  await t.resolves(tokens.verify(token));
  // Not a millisecond later: RFC 7519 says «on or after».
  Date.now = () => expiresAt.getTime();
  await t.rejects(tokens.verify(token), { code: 'UNAUTHENTICATED' });
});

test('a cached token dies with its key', async (t) => {
  const { tokens, keys, pair } = await build(t);
  const { token } = tokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt });
  await tokens.verify(token);
  pair.row.status = 'compromised';
  await keys.refresh();
  await t.rejects(tokens.verify(token), { code: 'UNAUTHENTICATED' });
});

test('a replaced key signs no further token', async (t) => {
  const old = keyPair('key-1');
  const successor = keyPair('key-2');
  const { keys } = ringOf([old.row, successor.row], t);
  await keys.refresh();
  let current = old.signing;
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(accessTokens, {
    keys,
    issuer,
    audience,
    signing: { key: () => current, ttlSeconds: 900 },
  });
  const before = app.accessTokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt });
  t.equal(decodeProtectedHeader(before.token).kid, 'key-1');
  old.row.status = 'compromised';
  await keys.refresh();
  current = successor.signing;
  const { token } = app.accessTokens.issue({
    userId,
    sessionId,
    role: 'customer',
    sessionExpiresAt,
  });
  t.same(decodeProtectedHeader(token), { alg: 'EdDSA', typ: 'JWT', kid: 'key-2' });
  t.match(await app.accessTokens.verify(token), {
    kid: 'key-2',
    iss: issuer,
    aud: audience,
    sub: userId,
  });
  await t.rejects(app.accessTokens.verify(before.token), { code: 'UNAUTHENTICATED' });
});

test('a service without a signing key cannot issue', async (t) => {
  const { tokens, keys } = await build(t);
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(accessTokens, { keys, issuer, audience });
  t.ok(
    await app.accessTokens.verify(
      tokens.issue({ userId, sessionId, role: 'customer', sessionExpiresAt }).token,
    ),
  );
  t.throws(
    () => app.accessTokens.issue({ userId, sessionId, role: 'admin', sessionExpiresAt }),
    /no signing key/,
  );
});

test('a token has one spelling', async (t) => {
  const { tokens } = await build(t);
  const subject = { userId, sessionId, role: 'vendor', sessionExpiresAt } as const;
  const { token } = tokens.issue(subject);
  const isValid = (text: string): Promise<boolean> =>
    tokens.verify(text).then(
      () => true,
      () => false,
    );
  const valid = [];
  for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
    if (await isValid(token.slice(0, -1) + last)) valid.push(last);
  t.strictSame(valid, [token.at(-1)]);
  const [head = '', payload = '', signature = ''] = token.split('.');
  const [start, end] = [signature.slice(0, 40), signature.slice(40)];
  for (const text of [
    `${token}=`,
    `${token}==`,
    `${token}.`,
    `${token}~`,
    `${token} `,
    `${token}\n`,
    `${head}.${payload}.~${signature}`,
    `${head}.${payload}.${start}.${end}`,
    `${head}.${payload}.${start}\n${end}`,
    `${head}=.${payload}.${signature}`,
    `${head}.${payload}=.${signature}`,
  ])
    t.notOk(await isValid(text), text.slice(-100));
});

test('the letters of plain base64 spell no token', async (t) => {
  const { tokens } = await build(t);
  for (let tries = 0; tries < 20; tries += 1) {
    const { token } = tokens.issue({ userId, sessionId, role: 'vendor', sessionExpiresAt });
    const [head, payload, signature = ''] = token.split('.');
    const plain = signature.replaceAll('-', '+').replaceAll('_', '/');
    const text = `${head}.${payload}.${plain}`;
    if (plain !== signature) await t.rejects(tokens.verify(text), { code: 'UNAUTHENTICATED' });
  }
});
