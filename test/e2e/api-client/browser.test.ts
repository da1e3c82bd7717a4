import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import tap, { test } from 'tap';
import type { Teardown } from '@muniment/testing';
import { findChromium, openPage, withChromium, type Page } from '../browser.ts';
import { shareFleet } from '../fleet.ts';
import { forwardRequest } from './fault-proxy.ts';
import { installPackage } from './installed-package.ts';

const PAGE = `<!doctype html><title>app</title><script type="module">
import { createClient } from '/app/index.js';
globalThis.createClient = createClient;
</script>`;

/** The fleet and, under /app/, a page with the client, from one origin. */
async function servePage(t: Teardown, target: string, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = normalize(request.url ?? '');
    if (!path.startsWith('/app/')) {
      // As a development server does: the services know the gateway's origin alone.
      if (request.headers.origin !== undefined) request.headers.origin = target;
      return forwardRequest(target, { request, response });
    }
    if (path === '/app/') return void response.setHeader('content-type', 'text/html').end(PAGE);
    readFile(join(folder, path.slice('/app/'.length))).then(
      (code) => response.setHeader('content-type', 'text/javascript').end(code),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const SCRIPT = `(async () => {
  const client = createClient({ url: location.origin });
  await client.signUp({ email: EMAIL, password: 'correct horse battery' });
  client.session.adopt({ ...client.session.current(), expires_in: 0 });
  const profiles = await Promise.all(Array.from({ length: 20 }, () => client.api.account.getProfile()));
  const steps = [];
  const file = new File([new Uint8Array(5 * 1024 * 1024)], 'page.bin');
  const { data } = await client.upload({ file, onProgress: ({ loaded }) => steps.push(loaded) });
  const names = [];
  for await (const { name } of client.api.files.listFiles({ query: { limit: 1 } })) names.push(name);
  const actions = [];
  for await (const { entry } of client.streamLogs({ query: { after: '-1' } })) {
    actions.push(entry.action);
    if (entry.action === 'FILE_UPLOAD') break;
  }
  return {
    profiles: profiles.length, size: data.size, last: steps.at(-1), names,
    refreshes: actions.filter((action) => action === 'TOKEN_REFRESHED').length, end: actions.at(-1),
  };
})()`;

/** Signs up, lets the tokens end twice, uploads, changes the password and logs out. */
const COOKIE_SCRIPT = `(async () => {
  const open = () => createClient({ url: location.origin, cookies: true });
  const read = (client) =>
    Promise.all(Array.from({ length: 20 }, () => client.api.account.getProfile()));
  const failure = (client) => client.api.account.getProfile().catch(({ code }) => code);
  const requests = performance.getEntriesByType.bind(performance, 'resource');
  const refreshes = () => requests().filter(({ name }) => name.includes('/auth/refresh')).length;
  const client = open();
  const { data } = await client.signUp({ email: EMAIL, password: 'correct horse battery' });
  const readable = document.cookie;
  client.session.adopt({ expires_in: 0 });
  await read(client);
  const ahead = refreshes();
  // After fifteen minutes the browser has no access token, and the page is opened anew.
  document.cookie = 'login_info=; max-age=0; path=/; secure';
  const later = open();
  const profiles = await read(later);
  const afterwards = refreshes();
  const file = new File(['hello'], 'page.txt');
  const { status } = await later.upload({ file, onProgress: () => undefined });
  await later.changePassword({
    current_password: 'correct horse battery', new_password: 'staple battery horse',
  });
  const current = (await later.api.account.getProfile()).data.email;
  await later.logOut();
  return {
    tokens: [data.token, data.refresh_token, client.session.current().token], readable, ahead,
    afterwards, profiles: profiles.length, status, current,
    ended: [await failure(later), await failure(open())], left: document.cookie,
  };
})()`;

/** For all tests of this file. */
let installed: Promise<string> | undefined;

const pageEmail = (): string => `page-${process.pid}-${Date.now()}@example.com`;

async function openApp(t: Teardown): Promise<Page> {
  const fleet = await shareFleet();
  const project = await (installed ??= installPackage(tap));
  const dist = join(project, 'node_modules/@muniment/api-client/dist');
  const url = await servePage(t, fleet.url, dist);
  const page = await openPage(t, findChromium() ?? '');
  await page.open(`${url}/app/`);
  return page;
}

test('in a browser by cookies: no script sees a token, one refresh', withChromium, async (t) => {
  const page = await openApp(t);
  const email = pageEmail();
  const script = COOKIE_SCRIPT.replace('EMAIL', JSON.stringify(email));
  const done = await page.evaluate<Record<string, unknown>>(script);
  t.match(done, {
    readable: /^login_info=[^;]+$/,
    ahead: 1,
    afterwards: 2,
    profiles: 20,
    status: 201,
    current: email,
    ended: ['unauthenticated', 'unauthenticated'],
    left: '',
  });
  t.same(done['tokens'], [null, null, null]);
  const called = page.requests.filter(({ url }) => url.includes('/api/'));
  t.ok(called.length > 40);
  t.same(
    called.filter(({ headers }) => 'authorization' in headers),
    [],
  );
  t.same(page.errors, []);
});

test('in a browser: one refresh, an upload, pages and the stream', withChromium, async (t) => {
  const page = await openApp(t);
  const email = JSON.stringify(pageEmail());
  const done = await page.evaluate<Record<string, unknown>>(SCRIPT.replace('EMAIL', email));
  t.match(done, {
    profiles: 20,
    size: 5 * 1024 * 1024,
    last: 5 * 1024 * 1024,
    names: ['page.bin'],
    refreshes: 1,
    end: 'FILE_UPLOAD',
  });
  t.same(page.errors, []);
});
