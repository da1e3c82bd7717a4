import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'tap';
import {
  API_DOCUMENTS,
  DOCUMENTS,
  preparePages,
  SWAGGER_UI,
} from '../../src/nginx/prepare-pages.ts';
import { gateway, upstream } from './gateway.ts';

const SOURCE = path.join(import.meta.dirname, '../../../../nginx/pages');
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

test('/ answers a browser with a page, and anyone else with JSON', async (t) => {
  const { http } = await gateway(t, {});
  const ask = (accept: string, method = 'GET'): Promise<Response> =>
    fetch(`${http}/`, { method, headers: { accept } });
  for (const accept of [
    BROWSER,
    'text/html',
    'TEXT/HTML',
    'text/html;q=0.9',
    'text/html;charset=utf-8, */*;q=0.1',
    'text/html, application/json;q=0.9',
  ]) {
    const answer = await ask(accept);
    t.equal(answer.status, 200, accept);
    t.match(Object.fromEntries(answer.headers), { ...PAGE_HEADERS, vary: 'Accept' }, accept);
    t.match(await answer.text(), /<h1>Muniment<\/h1>/);
  }
  for (const accept of [
    '',
    '*/*',
    'application/json',
    'application/json, text/plain, */*',
    'application/problem+json',
    'application/json, text/html;q=0.9',
    'application/json;q=0.9, text/html;q=0.8',
    'text/html;q=0, */*',
    'text/html;q=0.000',
  ]) {
    const answer = await ask(accept);
    t.equal(answer.headers.get('content-type'), 'application/problem+json', accept);
    t.match(await answer.json(), { status: 404, code: 'not_found' }, accept);
  }
  t.equal((await ask(BROWSER, 'HEAD')).status, 200);
  t.equal((await ask('*/*', 'POST')).status, 404);
});

test('the pages of mailed links are served with headers that keep the token here', async (t) => {
  const { http } = await gateway(t, {});
  for (const [url, action] of [
    ['/reset-password', 'api/auth/reset-password'],
    ['/confirm-email', 'api/auth/confirm-email'],
    ['//reset-password', 'api/auth/reset-password'],
    ['/reset-password?utm=x', 'api/auth/reset-password'],
  ] as const)
    for (const accept of [BROWSER, '*/*', 'application/json']) {
      const answer = await fetch(http + url, { headers: { accept } });
      t.equal(answer.status, 200, url);
      t.match(Object.fromEntries(answer.headers), PAGE_HEADERS, url);
      t.match(await answer.text(), `action="${action}"`);
    }
});

test('every file that a page names is ours and has its type', async (t) => {
  const { http } = await gateway(t, { mailPage: 'http://localhost:8025' });
  const types: Record<string, string> = {
    css: 'text/css; charset=utf-8',
    js: 'text/javascript; charset=utf-8',
    svg: 'image/svg+xml; charset=utf-8',
    md: 'text/plain; charset=utf-8',
    json: 'application/json',
    yaml: 'application/yaml',
  };
  const seen = new Set<string>();
  for (const url of ['/', '/reset-password', '/confirm-email', '/api/docs', '/api/docs/async']) {
    const page = await (await fetch(http + url, { headers: { accept: BROWSER } })).text();
    t.notMatch(
      page,
      /<style|<script(?! (type="module"|defer) src=)|\son[a-z]+=|style=/i,
      'nothing inline',
    );
    for (const [, name = ''] of page.matchAll(/(?:href|src)="([^"]*)"/g)) {
      if (name === 'http://localhost:8025') continue; // a link that a person may follow
      t.notMatch(name, /^(\/|[a-z]+:)/i, `${name} is relative, also behind a path`);
      const type = types[path.extname(name).slice(1)];
      // A service's: test/e2e/shared-fleet/front-door.test.ts asks for it.
      if (type === undefined || name.startsWith('.well-known/')) continue;
      const address = new URL(name, http + url);
      seen.add(address.pathname.slice(1));
      const answer = await fetch(address);
      t.equal(answer.status, 200, name);
      t.equal(answer.headers.get('content-type'), type, name);
    }
  }
  const assets = readdirSync(SOURCE).filter((name) => !name.endsWith('.html'));
  t.same(
    [...seen].toSorted(),
    [
      ...assets.map((name) => `pages/${name}`),
      ...DOCUMENTS.map((name) => `docs/${name}`),
      ...API_DOCUMENTS.map((name) => `api/${name}`),
      ...SWAGGER_UI.map((name) => `pages/${name}`),
    ].toSorted(),
  );
  for (const name of assets)
    t.notMatch(
      readFileSync(path.join(SOURCE, name), 'utf8').replaceAll('http://www.w3.org/2000/svg', ''),
      /https?:|\/\/[a-z]|@import|url\(/,
      `${name} loads nothing foreign`,
    );
});

test('the API documents are sent compressed, to pages of allowed origins too', async (t) => {
  const origin = 'https://app.example.com';
  const { http } = await gateway(t, { corsOrigins: origin });
  const ask = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${http}/api/openapi.json`, { headers });
  const answer = await ask({ origin, 'accept-encoding': 'gzip' });
  t.match(Object.fromEntries(answer.headers), {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': origin,
  });
  t.match(await answer.json(), { openapi: /^3\.1\./ });
  const plain = await ask({ 'accept-encoding': 'identity' });
  t.equal(plain.headers.get('content-encoding'), null);
  t.equal(plain.headers.get('access-control-allow-origin'), null);
  const etag = plain.headers.get('etag') ?? '';
  const again = await ask({ 'accept-encoding': 'identity', 'if-none-match': etag });
  t.equal(again.status, 304);
});

test('the page of the API document loads what is ours, and icons of its style sheet', async (t) => {
  const { http } = await gateway(t, {});
  const { headers } = await fetch(`${http}/api/docs`);
  t.match(Object.fromEntries(headers), {
    ...PAGE_HEADERS,
    'content-security-policy': PAGE_HEADERS['content-security-policy'].replace(
      "img-src 'self'",
      "img-src 'self' data:",
    ),
  });
});

test('the mail catcher is named on a local fleet only', async (t) => {
  const read = async (mailPage?: string): Promise<string> => {
    const { http } = await gateway(t, mailPage === undefined ? {} : { mailPage });
    return (await fetch(`${http}/`, { headers: { accept: BROWSER } })).text();
  };
  t.match(await read('http://localhost:8025'), '<a href="http://localhost:8025">');
  t.notMatch(await read(), /mail catcher|<!--/);
});

test('a page takes no other method, and no path leads out of its folder', async (t) => {
  const { http } = await gateway(t, {});
  for (const url of [
    '/reset-password',
    '/confirm-email',
    '/pages/link.js',
    '/docs/api.md',
    '/api/docs',
    '/api/docs/async',
    '/api/openapi.json',
    '/api/asyncapi.yaml',
  ])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(http + url, { method });
      t.equal(answer.status, 405, `${method} ${url}`);
      t.equal(answer.headers.get('allow'), 'GET, HEAD', `${method} ${url}`);
      t.match(await answer.json(), { code: 'method_not_allowed' });
    }
  for (const url of [
    '/_pages/index.html',
    '/_pages/',
    '/pages/',
    '/pages/index.html',
    '/pages/reset-password.html',
    '/pages/..%2fnginx.conf',
    '/pages/docs/..%2f..%2fnginx.conf',
    '/pages/%2e%2e/nginx.conf',
    '/docs/',
    '/docs/security.md',
    '/docs/..%2flink.js',
    '/reset-password/',
    '/reset-password.html',
    '/confirm-email/x',
    '/index.html',
    '/api/docs/',
    '/pages/api-docs.html',
    '/pages/openapi.json',
  ])
    t.equal((await fetch(http + url, { headers: { accept: BROWSER } })).status, 404, url);
});

test('conditions and ranges of a page give its bytes, nothing or a problem, never HTML', async (t) => {
  const { http } = await gateway(t, {});
  const ask = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${http}/pages/link.js`, { headers });
  const etag = (await ask({})).headers.get('etag') ?? '';
  t.match(etag, /^"/);
  t.equal((await ask({ 'if-none-match': etag })).status, 304);
  t.equal((await ask({ range: 'bytes=99999999-' })).status, 200);
  for (const headers of [
    { 'if-match': '"other"' },
    { 'if-unmodified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' },
  ] as Record<string, string>[]) {
    const answer = await ask(headers);
    t.equal(answer.status, 412);
    t.match(await answer.json(), { code: 'precondition_failed' });
  }
});

test('the services keep the paths around the pages', async (t) => {
  const user = await upstream(t, 'user');
  const { http } = await gateway(t, { user: [user.port] });
  for (const url of ['/api/auth/reset-password', '/api/auth/confirm-email', '/auth/reset-password'])
    t.equal((await fetch(http + url, { method: 'POST', body: '{}' })).status, 200, url);
  t.equal(user.seen.length, 3);
});

test('the copied pages can be read by every user, whatever the umask', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'pages-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const before = process.umask(0o077);
  const pages = preparePages(dir, { root: false });
  process.umask(before);
  t.equal(pages, path.join(dir, 'pages'));
  t.equal(statSync(path.join(pages, 'docs')).mode & 0o777, 0o755);
  for (const name of readdirSync(SOURCE)) {
    t.equal(statSync(path.join(pages, name)).mode & 0o777, 0o644, name);
    t.same(readFileSync(path.join(pages, name)), readFileSync(path.join(SOURCE, name)), name);
  }
  if (process.getuid?.() === 0) {
    const shared = preparePages(dir, { root: true });
    t.equal(preparePages(dir, { root: true }), shared, 'one copy for one content');
    const nobody = { uid: 65_534, gid: 65_534 };
    const read = execFileSync('cat', [path.join(shared, 'docs/api.md')], nobody);
    t.ok(read.length > 1000, 'nginx’s workers run as nobody');
  }
  t.end();
});
