import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { test } from 'tap';
import { keyPair } from '../../../packages/security/test/forgery.ts';
import { buildApp } from '../../../services/user/app.ts';
import { readConfig } from '../../../services/user/config.ts';
import { shareFleet } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { ensureSigningKey } from '../../../services/user/signing-keys/signing-keys.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

// Each forgery names a live session, so only the check of the token can refuse it.
test('a token that the user service did not sign opens no route of any service', async (t) => {
  const fleet = await shareFleet();
  const { token } = await fleet.signUp();
  const [header, claims] = token.split('.').slice(0, 2).map(decode);
  const [goodHeader = '', goodClaims = '', goodSignature = ''] = token.split('.');

  // The real key, which only the user service can read.
  const server = await buildApp(
    readConfig({
      ...(await fleet.describe()).environments.user,
      PORT: '0',
      REPLICA: 'forger',
      LOG_LEVEL: 'silent',
    }),
  );
  t.teardown(() => server.http.app.close());
  const { kid, privatePem } = await ensureSigningKey(server.data.db, server.crypto.masterKey);
  const privateKey = createPrivateKey(privatePem);
  const publicKey = createPublicKey(privateKey);
  const jwks = (await (await fleet.call('GET', '/.well-known/jwks.json')).json()) as {
    keys: { kid: string }[];
  };
  const jwk = jwks.keys.find((key) => key.kid === kid);

  const input = (headerChanges: object, claimChanges: object): string =>
    `${encode({ ...header, ...headerChanges })}.${encode({ ...claims, ...claimChanges })}`;
  const signed = (claimChanges: object, headerChanges: object = {}): string => {
    const text = input(headerChanges, claimChanges);
    return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
  };
  const hmac = (key: string | Buffer): string => {
    const text = input({ alg: 'HS256' }, {});
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
  const strangers = keyPair(kid);
  const byStranger = (headerChanges: object): string => {
    const text = input(headerChanges, {});
    return `${text}.${sign(null, Buffer.from(text), strangers.privateKey).toString('base64url')}`;
  };
  const seconds = Math.floor(Date.now() / 1_000);

  const forgeries: Record<string, string> = {
    none: `${input({ alg: 'none' }, {})}.`,
    'None, with the true signature': `${input({ alg: 'None' }, {})}.${goodSignature}`,
    'HS256 with the public key in PEM': hmac(publicKey.export({ type: 'spki', format: 'pem' })),
    'HS256 with the public key in DER': hmac(publicKey.export({ type: 'spki', format: 'der' })),
    'HS256 with the published JWK': hmac(JSON.stringify(jwk)),
    'HS256 with nothing': hmac(''),
    'stripped signature': `${goodHeader}.${goodClaims}.`,
    'two parts': `${goodHeader}.${goodClaims}`,
    'swapped payload': `${goodHeader}.${encode({ ...claims, role: 'admin' })}.${goodSignature}`,
    'flipped signature': [
      goodHeader,
      goodClaims,
      (goodSignature.startsWith('A') ? 'B' : 'A') + goodSignature.slice(1),
    ].join('.'),
    expired: signed({ iat: seconds - 1_000, exp: seconds - 1 }),
    'a lifetime of two days': signed({ iat: seconds, exp: seconds + 2 * 86_400 }),
    'without an end': signed({ exp: undefined }),
    'not yet valid': signed({ nbf: seconds + 600 }),
    'wrong audience': signed({ aud: 'another-api' }),
    'wrong issuer': signed({ iss: 'another' }),
    'unknown kid': signed({ kid: 'unknown' }, { kid: 'unknown' }),
    'kid of header and claims differ': signed({ kid: 'another' }),
    'kid is a path': signed({ kid: '../../dev/null' }, { kid: '../../dev/null' }),
    "a stranger's key under our kid": byStranger({}),
    "a stranger's key brought along": byStranger({ jwk: strangers.row.public_jwk }),
    'no token': 'abc',
  };

  const routes: [string, string, object?][] = [
    ['GET', '/api/users/me'],
    ['PATCH', '/api/users/me', { name: 'Mallory' }],
    ['GET', '/api/files'],
    ['GET', '/api/audit/logs'],
  ];
  for (const [method, path] of routes.filter(([method]) => method === 'GET')) {
    const answer = await fleet.call(method, path, { token: signed({}) });
    t.equal(answer.status, 200, `put together with the real key, the same claims open ${path}`);
    await answer.body?.cancel();
  }
  for (const [name, forged] of Object.entries(forgeries)) {
    for (const [method, path, json] of routes) {
      const answer = await fleet.call(method, path, { token: forged, ...(json && { json }) });
      t.match(
        answer.headers.get('www-authenticate'),
        /error="invalid_token"/,
        `${name}: ${method} ${path} says what is wrong with it`,
      );
      await isProblem(t, answer, 401, 'unauthenticated', `${name}: ${method} ${path}`);
    }
  }
  t.match(
    await (await fleet.call('GET', '/api/users/me', { token })).json(),
    { name: null },
    'and nothing was changed',
  );
});
