import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { assemble, keyPair } from '../../../packages/security/test/forgery.ts';
import { type CallOptions, type Fleet, PASSWORD, type SignedIn, shareFleet } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

const ABSENT = '01890000-0000-7000-8000-000000000000';
const services = join(import.meta.dirname, '../../../services');

interface Owner extends SignedIn {
  fileId: string;
  logId: string;
}

interface Row {
  /** `own`: every signed-in caller, on their own data. `one`: the owner of the named resource. */
  access: 'public' | 'own' | 'one' | 'admin';
  answers: number;
  /** The status for a viewer token, where it may read. */
  viewer?: number;
  /** The owner's request. */
  send?: (owner: Owner) => CallOptions;
  query?: string;
  /** The route ends the caller's session. */
  ends?: boolean;
}

const form = (): FormData => {
  const data = new FormData();
  data.append('file', new File(['other bytes'], 'other.txt'));
  return data;
};
let addresses = 0;
const credentials = (): CallOptions => ({
  json: { email: `walk-${(addresses += 1)}@example.com`, password: PASSWORD },
});
const ownCredentials = ({ user }: Owner): CallOptions => ({
  json: { email: user.email, password: PASSWORD },
});

/** Every route of every service, with its answers. */
const table: Record<string, Row> = {
  'GET /health': { access: 'public', answers: 200 },
  'GET /.well-known/jwks.json': { access: 'public', answers: 200 },
  'POST /api/users/register': { access: 'public', answers: 201, send: credentials },
  'POST /signup': { access: 'public', answers: 201, send: credentials },
  'POST /api/users/login': { access: 'public', answers: 200, send: ownCredentials },
  'POST /login': { access: 'public', answers: 200, send: ownCredentials },
  'POST /api/auth/refresh': {
    access: 'public',
    answers: 200,
    send: ({ refresh_token }) => ({ json: { refresh_token } }),
  },
  'POST /api/auth/forgot-password': {
    access: 'public',
    answers: 202,
    send: ({ user }) => ({ json: { email: user.email } }),
  },
  // Tokens that do not exist: anyone may ask.
  'POST /api/auth/reset-password': {
    access: 'public',
    answers: 422,
    send: () => ({ json: { token: 'none', password: PASSWORD } }),
  },
  'POST /api/auth/confirm-email': {
    access: 'public',
    answers: 422,
    send: () => ({ json: { token: 'none' } }),
  },
  'POST /api/v1/auth/register': {
    access: 'public',
    answers: 201,
    send: () => ({
      json: { ...(credentials().json as object), firstname: 'Ada', lastname: 'Lovelace' },
    }),
  },
  'POST /api/v1/auth/login': { access: 'public', answers: 200, send: ownCredentials },
  'GET /api/v1/auth/user': { access: 'own', answers: 200 },
  'GET /api/v1/auth/user/active-sessions': { access: 'own', answers: 200 },
  'POST /api/v1/auth/user/logout/:id': { access: 'one', answers: 200, ends: true },
  'GET /api/users/me': { access: 'own', answers: 200 },
  'PATCH /api/users/me': { access: 'own', answers: 200, send: () => ({ json: { name: 'Ada' } }) },
  'DELETE /api/users/me': {
    access: 'own',
    answers: 204,
    send: () => ({ json: { password: PASSWORD } }),
    ends: true,
  },
  'POST /api/users/me/password': {
    access: 'own',
    answers: 200,
    send: () => ({ json: { current_password: PASSWORD, new_password: 'another good one' } }),
    ends: true,
  },
  'POST /api/users/me/email': {
    access: 'own',
    answers: 202,
    send: ({ user }) => ({ json: { email: user.email, password: PASSWORD } }),
  },
  'POST /api/auth/tokens': {
    access: 'own',
    answers: 201,
    send: () => ({ json: { name: 'walk', scopes: ['profile:read'] } }),
  },
  'GET /api/auth/tokens': { access: 'own', answers: 200 },
  'DELETE /api/auth/tokens/:id': { access: 'own', answers: 404 },
  'POST /api/auth/introspect': {
    access: 'admin',
    answers: 200,
    send: () => ({ json: { token: 'none' } }),
  },
  'POST /api/users/service-accounts': {
    access: 'admin',
    answers: 201,
    send: () => ({ json: { name: 'walk', type: 'customer' } }),
  },
  'GET /api/users/service-accounts': { access: 'admin', answers: 200 },
  'GET /api/vendor-profiles': { access: 'own', answers: 200 },
  'GET /api/vendor-profiles/search': { access: 'own', answers: 200, query: 'q=acme' },
  'GET /api/vendor-profiles/by-business-type/:type': { access: 'own', answers: 200 },
  'GET /api/vendor-profiles/by-country/:country': { access: 'own', answers: 400 },
  'GET /api/vendor-profiles/user/:userId': { access: 'own', answers: 400 },
  'GET /api/vendor-profiles/:id': { access: 'own', answers: 404 },
  'POST /api/vendor-profiles': { access: 'admin', answers: 400, send: () => ({ json: {} }) },
  'PATCH /api/vendor-profiles/:id': {
    access: 'admin',
    answers: 404,
    send: () => ({ json: { city: 'Oslo' } }),
  },
  'DELETE /api/vendor-profiles/:id': { access: 'admin', answers: 404 },
  'GET /ws': { access: 'public', answers: 426 },
  'POST /api/auth/logout': { access: 'own', answers: 204, ends: true },
  'GET /api/auth/sessions': { access: 'own', answers: 200 },
  'DELETE /api/auth/sessions': { access: 'own', answers: 200 },
  'DELETE /api/auth/sessions/:id': { access: 'one', answers: 204, ends: true },
  'POST /api/files': { access: 'own', answers: 201, send: () => ({ body: form() }) },
  'GET /api/files': { access: 'own', answers: 200 },
  'GET /api/files/:id': { access: 'one', answers: 200 },
  'HEAD /api/files/:id': { access: 'one', answers: 200 },
  'GET /api/files/:id/metadata': { access: 'one', answers: 200 },
  'PATCH /api/files/:id': {
    access: 'one',
    answers: 200,
    send: () => ({ json: { name: 'renamed.txt' } }),
  },
  'DELETE /api/files/:id': { access: 'one', answers: 204, ends: true },
  'GET /api/audit/logs': { access: 'own', answers: 200, viewer: 200 },
  'GET /api/audit/logs/:id': { access: 'one', answers: 200, viewer: 404 },
  'GET /api/audit/stream': { access: 'own', answers: 200, viewer: 200 },
  'GET /api/audit/export': { access: 'own', answers: 200, viewer: 200 },
  'GET /api/audit/logs/:id/proof': { access: 'one', answers: 200, viewer: 404 },
  'GET /api/audit/checkpoint': { access: 'own', answers: 200, viewer: 200 },
  // Sizes, levels and bundles that do not exist.
  'GET /api/audit/consistency': {
    access: 'own',
    answers: 404,
    viewer: 404,
    query: 'from=4000000000',
  },
  'GET /api/audit/tile/:level/*': { access: 'own', answers: 404, viewer: 404 },
  'GET /api/audit/tile/entries/*': { access: 'admin', answers: 404 },
  'POST /api/audit/webhooks': { access: 'admin', answers: 400, send: () => ({ json: {} }) },
  'GET /api/audit/webhooks': { access: 'admin', answers: 200 },
  'GET /api/audit/webhooks/:id': { access: 'admin', answers: 404 },
  'PATCH /api/audit/webhooks/:id': {
    access: 'admin',
    answers: 404,
    send: () => ({ json: { description: 'another' } }),
  },
  'DELETE /api/audit/webhooks/:id': { access: 'admin', answers: 404 },
  'POST /api/audit/webhooks/:id/secret': { access: 'admin', answers: 404 },
  'POST /api/audit/webhooks/:id/test': { access: 'admin', answers: 404 },
  'GET /api/audit/webhooks/:id/deliveries': { access: 'admin', answers: 404 },
  'POST /api/audit/webhooks/:id/deliveries/:delivery_id/retry': { access: 'admin', answers: 404 },
  'GET /api/audit/completeness': { access: 'admin', answers: 200 },
  'POST /api/audit/holes/declare-lost': {
    access: 'admin',
    answers: 409,
    send: () => ({ json: { source: 'user', lane: 0, from: 1, to: 1 } }),
  },
  'GET /api/audit/quarantine': { access: 'admin', answers: 200 },
  'POST /api/audit/quarantine/:id/replay': { access: 'admin', answers: 404 },
  'POST /api/audit/quarantine/replay': {
    access: 'admin',
    answers: 200,
    send: () => ({ json: {} }),
  },
  'POST /api/audit/events': {
    access: 'admin',
    answers: 201,
    send: () => ({ json: { id: randomUUID(), tenant_id: 'acme', action: 'user.login' } }),
  },
  'POST /api/audit/erasures': {
    access: 'admin',
    answers: 204,
    send: () => ({ json: { tenant_id: 'acme', subject: 'u1' } }),
  },
  'POST /api/audit/viewer-tokens': {
    access: 'admin',
    answers: 201,
    send: () => ({ json: { tenant_id: 'acme' } }),
  },
  'GET /api/audit/viewer-tokens': { access: 'admin', answers: 200 },
  'DELETE /api/audit/viewer-tokens/:id': { access: 'admin', answers: 404 },
};

const PATHS = /\burl: '(\/[^']*)'|\b(?:url of|aliases:) \[([^\]]+)\]/g;
const METHODS = /\bmethod: (?:'([A-Z]+)'|\[([^\]]+)\])/g;

function matchNames(source: string, pattern: RegExp): string[] {
  return [...source.matchAll(pattern)].flatMap(
    ([, one, some]) => one ?? some?.split(/[',\s]+/).filter(Boolean) ?? [],
  );
}

/** The routes as the services' sources state them: every file that names an operation. */
async function statedRoutes(): Promise<{ route: string; viewer: boolean }[]> {
  const files = (await readdir(services, { recursive: true })).filter((file) =>
    /^[a-z]+\/(?!test\/|node_modules\/)[^/]+\/.*\.ts$/.test(file),
  );
  const routes = await Promise.all(
    files.map(async (file) => {
      const source = await readFile(join(services, file), 'utf8');
      if (!/\boperation: '/.test(source)) return [];
      const viewer = /\bviewer: true\b/.test(source);
      const urls = matchNames(source, PATHS);
      return matchNames(source, METHODS).flatMap((method) =>
        urls.map((url) => ({ route: `${method} ${url}`, viewer })),
      );
    }),
  );
  return routes.flat();
}

/** POSTs without a stored answer: they change nothing, or their ids make them idempotent. */
const WITHOUT_KEPT_ANSWER = new Set([
  'POST /api/audit/events',
  'POST /api/audit/quarantine/:id/replay',
  'POST /api/audit/quarantine/replay',
  'POST /api/auth/introspect',
]);

async function newOwner(fleet: Fleet): Promise<Owner> {
  const signedIn = await fleet.signUp();
  const { id: fileId } = (await (
    await fleet.upload(signedIn.token, 'own.txt', 'own bytes')
  ).json()) as { id: string };
  const log = await until(async () => (await fleet.trail(signedIn.token))[0], {
    what: 'the first event is in the trail',
  });
  return { ...signedIn, fileId, logId: log.id };
}

async function newAdmin(t: Test, fleet: Fleet): Promise<SignedIn> {
  const signedIn = await fleet.signUp();
  const rows = await openDatabase(t, fleet);
  await rows("update identity.users set type = 'admin' where id = $1", [signedIn.user.id]);
  // A token of the new role: a replica may not have read the change yet.
  const login = await fleet.call('POST', '/login', {
    json: { email: signedIn.user.email, password: PASSWORD },
  });
  return (await login.json()) as SignedIn;
}

function pathFor(route: string, id: string): string {
  const path = (route.split(' ')[1] ?? '')
    .replace(':id', id)
    .replace(':delivery_id', ABSENT)
    .replace(':level', '9')
    .replace('*', '999/999');
  const query = table[route]?.query;
  return query === undefined ? path : `${path}?${query}`;
}
const idOf = (route: string, owner: Owner): string =>
  route.includes('/logs/')
    ? owner.logId
    : /\/(sessions|logout)\//.test(route)
      ? owner.session_id
      : owner.fileId;

/** The text of an answer. An event stream never ends, so it yields nothing. */
async function textOf(answer: Response): Promise<string> {
  if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return answer.text();
  await answer.body?.cancel();
  return '';
}

/** A problem without its request id. */
async function said(answer: Response): Promise<unknown> {
  const { request_id: _, ...rest } = JSON.parse((await answer.text()) || '{}') as Record<
    string,
    unknown
  >;
  const told = ['content-type', 'cache-control', 'www-authenticate', 'etag', 'content-length'].map(
    (name) => [name, answer.headers.get(name)],
  );
  return { status: answer.status, ...Object.fromEntries(told), ...rest };
}

test('the table names exactly the routes of the services', async (t) => {
  const stated = await statedRoutes();
  t.strictSame(stated.map(({ route }) => route).toSorted(), Object.keys(table).toSorted());
  t.strictSame(
    stated
      .filter(({ viewer }) => viewer)
      .map(({ route }) => route)
      .toSorted(),
    Object.keys(table)
      .filter((route) => table[route]?.viewer !== undefined)
      .toSorted(),
  );
});

test('each route answers only the callers that it admits', async (t) => {
  const fleet = await shareFleet();
  let owner = await newOwner(fleet);
  let other = await newOwner(fleet);
  const admin = await newAdmin(t, fleet);
  const viewer = (
    (await (
      await fleet.call('POST', '/api/audit/viewer-tokens', {
        token: admin.token,
        json: { tenant_id: 'acme' },
      })
    ).json()) as { token: string }
  ).token;

  async function refused(
    t: Test,
    route: string,
    method: string,
    token: string | undefined,
    who: string,
  ): Promise<void> {
    const answer = await fleet.call(method, pathFor(route, idOf(route, owner)), {
      ...table[route]?.send?.(owner),
      ...(token !== undefined && { token }),
    });
    t.match(answer.headers.get('www-authenticate'), /^Bearer /, `${who}: is told how to sign in`);
    if (method === 'HEAD') t.equal(answer.status, 401, `${who}: HEAD`);
    // Seed 004 has its own shape of a refusal.
    else if (route.includes('/api/v1/'))
      t.strictSame(
        [answer.status, await answer.json()],
        [401, { success: false, message: 'Unauthorized' }],
        who,
      );
    else await isProblem(t, answer, 401, 'unauthenticated', who);
  }

  /** Checks that a malformed key is refused and that a repeated request gets the same answer. */
  async function takesKeys(
    t: Test,
    route: string,
    row: Row,
    token: string | undefined,
  ): Promise<void> {
    const actor = row.access === 'public' ? { ...owner, ...(await fleet.signUp()) } : owner;
    const sent = { ...row.send?.(actor), ...(token !== undefined && { token }) };
    const post = (key: string): Promise<Response> =>
      fleet.call('POST', pathFor(route, idOf(route, owner)), {
        ...sent,
        headers: { 'idempotency-key': key },
      });
    if (row.answers !== 400) {
      const malformed = await post('not a key');
      t.equal(malformed.status, 400, await malformed.text());
    }
    const key = randomUUID();
    const [first, again] = [await post(key), await post(key)];
    const [text, textAgain] = [await first.text(), await again.text()];
    if (row.answers >= 300 || WITHOUT_KEPT_ANSWER.has(route)) {
      t.equal(again.headers.get('idempotent-replayed'), null);
      return;
    }
    t.equal(first.status, row.answers, text);
    t.equal(again.status, row.answers, textAgain);
    t.equal(textAgain, text);
    t.equal(again.headers.get('idempotent-replayed'), 'true', 'given again');
  }

  for (const [route, row] of Object.entries(table)) {
    await t.test(route, async (t) => {
      const [method = ''] = route.split(' ');
      const [header, claims] = owner.token
        .split('.')
        .slice(0, 2)
        .map(
          (part) =>
            JSON.parse(Buffer.from(part, 'base64url').toString() || '{}') as { kid: string },
        );
      const forged = assemble(header, claims, keyPair(header?.kid ?? '').privateKey);
      const send = (token: string | undefined, path: string): Promise<Response> =>
        fleet.call(method, path, { ...row.send?.(owner), ...(token !== undefined && { token }) });
      const path = pathFor(route, idOf(route, owner));

      const actor =
        row.access === 'admin' ? admin.token : row.access === 'public' ? undefined : owner.token;
      // What answers 2xx without the condition must be 412 with it, and is done below all the same.
      if (method !== 'GET' && method !== 'HEAD' && row.answers < 300) {
        const unmet = await fleet.call(method, path, {
          ...row.send?.(owner),
          ...(actor !== undefined && { token: actor }),
          headers: { 'if-match': '"zzz"' },
        });
        t.equal(unmet.status, 412, `an unmet condition; ${await unmet.text()}`);
      }

      if (method === 'POST' && !row.ends) await takesKeys(t, route, row, actor);
      if (row.access === 'public') {
        for (const token of route.endsWith('/refresh')
          ? [undefined]
          : [undefined, owner.token, other.token, forged]) {
          const answer = await send(token, path);
          t.equal(answer.status, row.answers, await answer.text());
        }
        return;
      }
      await refused(t, route, method, undefined, 'nobody');
      await refused(t, route, method, forged, 'forged token');
      const asViewer = await send(viewer, path);
      const viewerGets = asViewer.status;
      await textOf(asViewer);
      t.equal(viewerGets, row.viewer ?? (route.includes('/audit/') ? 403 : 401), 'a viewer token');
      if (row.access === 'admin') {
        if (method !== 'HEAD')
          await isProblem(t, await send(owner.token, path), 403, 'permission_denied', 'a customer');
        const asAdmin = await send(admin.token, path);
        t.equal(asAdmin.status, row.answers, `administrator; ${await textOf(asAdmin)}`);
        return;
      }
      const asOther = await send(other.token, path);
      if (row.access === 'one') {
        t.strictSame(
          await said(asOther),
          await said(await send(other.token, pathFor(route, ABSENT))),
          "another's answers as an absent one",
        );
        t.equal(asOther.status, 404);
      } else {
        const text = await textOf(asOther);
        t.equal(asOther.status, row.answers, text);
        for (const own of [owner.user.id, owner.user.email, owner.fileId, owner.logId])
          t.notMatch(text, own, "holds nothing of the owner's");
      }
      const asOwner = await send(owner.token, path);
      t.equal(asOwner.status, row.answers, `owner; ${await textOf(asOwner)}`);
      if (row.ends) [owner, other] = await Promise.all([newOwner(fleet), newOwner(fleet)]);
    });
  }

  for (const [index, account] of [owner, other].entries()) {
    const names = (
      (await (await fleet.call('GET', '/api/files', { token: account.token })).json()) as {
        name: string;
      }[]
    ).map(({ name }) => name);
    t.strictSame(names, ['own.txt'], `account ${index} has its file as it was`);
  }
});
