import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { test } from 'tap';
import type { Teardown } from '@muniment/testing';
import { findChromium, openPage } from '../browser.ts';
import { shareFleet } from '../fleet.ts';
import { forwardRequest } from './fault-proxy.ts';
import { installPackage } from './installed-package.ts';

const chromium = findChromium();
const withChromium =
  chromium === undefined
    ? { skip: 'no Chromium is installed (Debian: apt-get install chromium)' }
    : {};

const PAGE = `<!doctype html><title>app</title><script type="module">
import { createClient } from '/app/index.js';
globalThis.createClient = createClient;
</script>`;

/** The fleet and, under /app/, a page with the client, from one origin. */
async function servePage(t: Teardown, target: string, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = normalize(request.url ?? '');
    if (!path.startsWith('/app/')) return forwardRequest(target, { request, response });
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

test('in a browser: one refresh, an upload, pages and the stream', withChromium, async (t) => {
  const fleet = await shareFleet();
  const project = await installPackage(t);
  const dist = join(project, 'node_modules/@muniment/api-client/dist');
  const url = await servePage(t, fleet.url, dist);
  const page = await openPage(t, chromium ?? '');
  await page.open(`${url}/app/`);
  const email = JSON.stringify(`page-${process.pid}-${Date.now()}@example.com`);
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
