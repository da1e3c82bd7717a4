import { randomUUID } from 'node:crypto';
import { test, type Test } from 'tap';
import {
  needsSession,
  roleAllows,
  ROLES,
  type Permission,
  type Role,
  type RouteAccess,
} from '@muniment/security';
import { listRoutes } from '../../../scripts/documents/routes.ts';
import { forge, newAccount, newOwner, openCallers, type Callers } from '../access/callers.ts';
import { type CallOptions, type Fleet, PASSWORD, type SignedIn, shareFleet } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

const ABSENT = '01890000-0000-7000-8000-000000000000';

/** What a route answers to a caller whom it admits. Who that is, the permission table says. */
interface Row {
  access: 'public' | Permission;
  /** The path names the owner's resource: to all others it is absent. */
  isNamed?: true;
  answers: number;
  /** The status for a viewer token, where it may read. */
  viewer?: number;
  /** The caller's request. */
  send?: (caller: SignedIn, visit: Visit) => CallOptions | Promise<CallOptions>;
  query?: string;
  /** The route ends the caller's session, or the resource. */
  ends?: boolean;
  /** An account does it only once. */
  once?: true;
  /** Roles with this permission find what is named, whoever owns it. */
  foundBy?: Permission;
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
const ownCredentials = ({ user }: SignedIn): CallOptions => ({
  json: { email: user.email, password: PASSWORD },
});

/** Every route of every service, with its permission and answers. */
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
  'GET /api/v1/auth/user': { access: 'profile:read', answers: 200 },
  'GET /api/v1/auth/user/active-sessions': { access: 'sessions:manage', answers: 200 },
  'POST /api/v1/auth/user/logout/:id': {
    access: 'sessions:manage',
    isNamed: true,
    answers: 200,
    ends: true,
  },
  'GET /api/users/me': { access: 'profile:read', answers: 200 },
  'PATCH /api/users/me': {
    access: 'profile:write',
    answers: 200,
    send: () => ({ json: { name: 'Ada' } }),
  },
  'DELETE /api/users/me': {
    access: 'account:manage',
    answers: 204,
    send: () => ({ json: { password: PASSWORD } }),
    ends: true,
  },
  'POST /api/users/me/password': {
    access: 'account:manage',
    answers: 200,
    send: () => ({ json: { current_password: PASSWORD, new_password: 'another good one' } }),
    ends: true,
  },
  'POST /api/users/me/email': {
    access: 'account:manage',
    answers: 202,
    send: ({ user }) => ({ json: { email: user.email, password: PASSWORD } }),
  },
  'POST /api/auth/tokens': {
    access: 'tokens:manage',
    answers: 201,
    send: () => ({ json: { name: 'walk', scopes: ['profile:read'] } }),
  },
  'GET /api/auth/tokens': { access: 'tokens:manage', answers: 200 },
  'DELETE /api/auth/tokens/:id': { access: 'tokens:manage', answers: 404 },
  'POST /api/auth/introspect': {
    access: 'tokens:introspect',
    answers: 200,
    send: () => ({ json: { token: 'none' } }),
  },
  'POST /api/users/service-accounts': {
    access: 'service-accounts:manage',
    answers: 201,
    send: () => ({ json: { name: 'walk', type: 'customer' } }),
  },
  'GET /api/users/service-accounts': { access: 'service-accounts:manage', answers: 200 },
  'GET /api/users': { access: 'directory:read', answers: 200 },
  'GET /api/users/vendors': { access: 'directory:read', answers: 200 },
  'GET /api/users/by-type/:type': { access: 'directory:read', answers: 200 },
  'GET /api/users/search': { access: 'directory:read', answers: 200, query: 'q=walk' },
  'GET /api/users/export': { access: 'directory:export', answers: 200 },
  'POST /api/users/import': {
    access: 'directory:write',
    answers: 200,
    send: () => ({ body: new Blob(['\n'], { type: 'application/x-ndjson' }) }),
  },
  'GET /api/users/:id': { access: 'directory:read', answers: 404 },
  'GET /api/users/:id/deletion-plan': { access: 'directory:read', answers: 404 },
  'POST /api/users': {
    access: 'directory:write',
    answers: 201,
    send: () => ({ json: { email: `walk-${(addresses += 1)}@example.com`, invite: false } }),
  },
  'PATCH /api/users/:id': {
    access: 'directory:write',
    answers: 404,
    send: () => ({ json: { name: 'Ada' } }),
  },
  'PATCH /api/users/:id/status': {
    access: 'directory:write',
    answers: 404,
    send: () => ({ json: { status: 'inactive' } }),
  },
  'DELETE /api/users/:id': { access: 'directory:write', answers: 404 },
  'GET /api/vendor-profiles': { access: 'vendor-profiles:read', answers: 200 },
  'GET /api/vendor-profiles/search': {
    access: 'vendor-profiles:read',
    answers: 200,
    query: 'q=acme',
  },
  'GET /api/vendor-profiles/by-business-type/:type': {
    access: 'vendor-profiles:read',
    answers: 200,
  },
  'GET /api/vendor-profiles/by-country/:country': { access: 'vendor-profiles:read', answers: 200 },
  'GET /api/vendor-profiles/user/:userId': { access: 'vendor-profiles:read', answers: 404 },
  'GET /api/vendor-profiles/:id': { access: 'vendor-profiles:read', answers: 404 },
  'POST /api/vendor-profiles': {
    access: 'vendor-profiles:write',
    answers: 201,
    once: true,
    send: async ({ user }, { fleet, callers: { rows } }) => ({
      json: {
        user_id: (user.type === 'vendor' ? user : (await newAccount(fleet, rows, 'vendor')).user)
          .id,
        business_type: 'Walks',
        business_name: 'Walk Ltd',
      },
    }),
  },
  'PATCH /api/vendor-profiles/:id': {
    access: 'vendor-profiles:write',
    answers: 404,
    send: () => ({ json: { city: 'Oslo' } }),
  },
  'PATCH /api/vendor-profiles/:id/files': {
    access: 'vendor-profiles:write',
    answers: 404,
    send: () => ({ json: { logo: null } }),
  },
  'DELETE /api/vendor-profiles/:id': { access: 'vendor-profiles:write', answers: 404 },
  'GET /ws': { access: 'public', answers: 426 },
  'POST /api/auth/logout': { access: 'sessions:manage', answers: 204, ends: true },
  'GET /api/auth/sessions': { access: 'sessions:manage', answers: 200 },
  'DELETE /api/auth/sessions': { access: 'sessions:manage', answers: 200 },
  'DELETE /api/auth/sessions/:id': {
    access: 'sessions:manage',
    isNamed: true,
    answers: 204,
    ends: true,
  },
  'POST /api/files': { access: 'files:write', answers: 201, send: () => ({ body: form() }) },
  'GET /api/files': { access: 'files:read', answers: 200 },
  'GET /api/files/:id': { access: 'files:read', isNamed: true, answers: 200 },
  'HEAD /api/files/:id': { access: 'files:read', isNamed: true, answers: 200 },
  'GET /api/files/:id/metadata': { access: 'files:read', isNamed: true, answers: 200 },
  'PATCH /api/files/:id': {
    access: 'files:write',
    isNamed: true,
    answers: 200,
    send: () => ({ json: { name: 'renamed.txt' } }),
  },
  'DELETE /api/files/:id': { access: 'files:write', isNamed: true, answers: 204, ends: true },
  'GET /api/files/vendor-logos/:id': { access: 'vendor-profiles:read', answers: 404 },
  'HEAD /api/files/vendor-logos/:id': { access: 'vendor-profiles:read', answers: 404 },
  'GET /api/files/vendor-certificates/:id': { access: 'vendor-profiles:write', answers: 404 },
  'HEAD /api/files/vendor-certificates/:id': { access: 'vendor-profiles:write', answers: 404 },
  'GET /api/audit/logs': { access: 'audit:read-own', answers: 200, viewer: 200 },
  'GET /api/audit/logs/:id': {
    access: 'audit:read-own',
    isNamed: true,
    foundBy: 'audit:read-all',
    answers: 200,
    viewer: 404,
  },
  'GET /api/audit/stream': { access: 'audit:read-own', answers: 200, viewer: 200 },
  'GET /api/audit/export': { access: 'audit:read-own', answers: 200, viewer: 200 },
  'GET /api/audit/logs/:id/proof': {
    access: 'audit:read-own',
    isNamed: true,
    foundBy: 'audit:read-all',
    answers: 200,
    viewer: 404,
  },
  'GET /api/audit/checkpoint': { access: 'audit:read-own', answers: 200, viewer: 200 },
  // Sizes, levels and bundles that do not exist.
  'GET /api/audit/consistency': {
    access: 'audit:read-own',
    answers: 404,
    viewer: 404,
    query: 'from=4000000000',
  },
  'GET /api/audit/tile/:level/*': { access: 'audit:read-own', answers: 404, viewer: 404 },
  'GET /api/audit/tile/entries/*': { access: 'audit:read-all', answers: 404 },
  'POST /api/audit/webhooks': { access: 'audit:operate', answers: 400, send: () => ({ json: {} }) },
  'GET /api/audit/webhooks': { access: 'audit:operate', answers: 200 },
  'GET /api/audit/webhooks/:id': { access: 'audit:operate', answers: 404 },
  'PATCH /api/audit/webhooks/:id': {
    access: 'audit:operate',
    answers: 404,
    send: () => ({ json: { description: 'another' } }),
  },
  'DELETE /api/audit/webhooks/:id': { access: 'audit:operate', answers: 404 },
  'POST /api/audit/webhooks/:id/secret': { access: 'audit:operate', answers: 404 },
  'POST /api/audit/webhooks/:id/test': { access: 'audit:operate', answers: 404 },
  'GET /api/audit/webhooks/:id/deliveries': { access: 'audit:operate', answers: 404 },
  'POST /api/audit/webhooks/:id/deliveries/:delivery_id/retry': {
    access: 'audit:operate',
    answers: 404,
  },
  'GET /api/audit/completeness': { access: 'audit:operate', answers: 200 },
  'POST /api/audit/holes/declare-lost': {
    access: 'audit:operate',
    answers: 409,
    send: () => ({ json: { source: 'user', lane: 0, from: 1, to: 1 } }),
  },
  'GET /api/audit/quarantine': { access: 'audit:operate', answers: 200 },
  'POST /api/audit/quarantine/:id/replay': { access: 'audit:operate', answers: 404 },
  'POST /api/audit/quarantine/replay': {
    access: 'audit:operate',
    answers: 200,
    send: () => ({ json: {} }),
  },
  'POST /api/audit/events': {
    access: 'audit:write-events',
    answers: 201,
    send: () => ({ json: { id: randomUUID(), tenant_id: 'acme', action: 'user.login' } }),
  },
  'POST /api/audit/erasures': {
    access: 'audit:write-events',
    answers: 204,
    send: () => ({ json: { tenant_id: 'acme', subject: 'u1' } }),
  },
  'POST /api/audit/viewer-tokens': {
    access: 'audit:write-events',
    answers: 201,
    send: () => ({ json: { tenant_id: 'acme' } }),
  },
  'GET /api/audit/viewer-tokens': { access: 'audit:write-events', answers: 200 },
  'DELETE /api/audit/viewer-tokens/:id': { access: 'audit:write-events', answers: 404 },
};

/** POSTs without a stored answer: they change nothing, or their ids make them idempotent. */
const WITHOUT_KEPT_ANSWER = new Set([
  // A repeated import finds what the first one has done.
  'POST /api/users/import',
  'POST /api/audit/events',
  'POST /api/audit/quarantine/:id/replay',
  'POST /api/audit/quarantine/replay',
  'POST /api/auth/introspect',
]);

/** The routes as the services define them. */
function statedRoutes(): Map<string, RouteAccess> {
  return new Map(
    listRoutes().flatMap(({ definition: { method, url, aliases = [], access } }) =>
      [method]
        .flat()
        .flatMap((verb) => [url, ...aliases].map((path) => [`${verb} ${path}`, access] as const)),
    ),
  );
}

/** One route of the walk. */
interface Visit extends Row {
  route: string;
  method: string;
  fleet: Fleet;
  callers: Callers;
}

function pathFor({ route, query }: Visit, id: string): string {
  const path = (route.split(' ')[1] ?? '')
    .replace(':id', id)
    .replace(':delivery_id', ABSENT)
    .replace(':type', 'vendor')
    .replace(':country', 'IN')
    .replace(':userId', ABSENT)
    .replace(':level', '9')
    .replace('*', '999/999');
  return query === undefined ? path : `${path}?${query}`;
}

function ownPath(visit: Visit): string {
  const { route, callers } = visit;
  const { owner } = callers;
  if (route.includes('/logs/')) return pathFor(visit, owner.logId);
  return pathFor(visit, /\/(sessions|logout)\//.test(route) ? owner.session_id : owner.fileId);
}

/** Sends the route's request with a body of the caller's, and a token that may be another. */
async function send(
  visit: Visit,
  caller: SignedIn,
  { token = caller.token, path = ownPath(visit), headers = {} }: Sent = {},
): Promise<Response> {
  return visit.fleet.call(visit.method, path, {
    ...(await visit.send?.(caller, visit)),
    headers,
    ...(token !== null && { token }),
  });
}
interface Sent {
  /** null: nobody's. */
  token?: string | null;
  path?: string;
  headers?: Record<string, string>;
}

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

/** Seed 004 has its own shape of a refusal, and HEAD none. */
const hasProblems = ({ route, method }: Visit): boolean =>
  method !== 'HEAD' && !route.includes('/api/v1/');

async function isRefused(
  t: Test,
  visit: Visit,
  { answer, status, code, who }: { answer: Response; status: 401 | 403; code: string; who: string },
): Promise<void> {
  if (hasProblems(visit)) {
    await isProblem(t, answer, status, code, who);
    return;
  }
  t.equal(answer.status, status, who);
  const text = await answer.text();
  if (visit.method !== 'HEAD')
    t.match(JSON.parse(text), {
      success: false,
      message: status === 401 ? 'Unauthorized' : String,
    });
}

/** Nobody, a forged token and a suspended account learn only how to sign in. */
async function refusesStrangers(t: Test, visit: Visit): Promise<void> {
  const { owner, suspendedToken } = visit.callers;
  for (const [who, token] of [
    ['nobody', null],
    ['a forged token', forge(owner)],
    ['a suspended account', suspendedToken],
  ] as const) {
    const answer = await send(visit, owner, { token });
    t.match(answer.headers.get('www-authenticate'), /^Bearer /, `${who}: is told how to sign in`);
    await isRefused(t, visit, { answer, status: 401, code: 'unauthenticated', who });
  }
  const { route, viewer = route.includes('/audit/') ? 403 : 401 } = visit;
  const asViewer = await send(visit, owner, { token: visit.callers.viewerToken });
  await textOf(asViewer);
  t.equal(asViewer.status, viewer, 'a viewer token');
}

/** What a caller with the permission gets who does not own what is named. */
const answersOthers = ({ isNamed, foundBy, answers }: Row, role: Role, scope?: string): number => {
  const finds = foundBy && roleAllows(role, foundBy) && (scope === undefined || scope === foundBy);
  return isNamed && !finds ? 404 : answers;
};

/** Each role is answered as the permission table says. */
async function answersRoles(t: Test, visit: Visit, access: Permission): Promise<void> {
  const { fleet, callers, ends, once, isNamed } = visit;
  for (const role of ROLES) {
    const who = `the role ${role}`;
    if (!roleAllows(role, access)) {
      const answer = await send(visit, callers.roles[role]);
      await isRefused(t, visit, { answer, status: 403, code: 'permission_denied', who });
      continue;
    }
    // A request that ends its caller's account gets one of its own.
    const caller =
      once || (ends && !isNamed)
        ? await newAccount(fleet, callers.rows, role)
        : callers.roles[role];
    const answer = await send(visit, caller);
    t.equal(answer.status, answersOthers(visit, role), `${who}; ${await textOf(answer)}`);
  }
}

/** An API token needs the very scope, and a session where the table says so. */
async function answersApiTokens(t: Test, visit: Visit, access: Permission): Promise<void> {
  const { apiTokens, roles } = visit.callers;
  const [, others = ''] = [...apiTokens].find(([scope]) => scope !== access) ?? [];
  const code = needsSession(access) ? 'session_required' : 'insufficient_scope';
  const answer = await send(visit, roles.admin, { token: others });
  await isRefused(t, visit, { answer, status: 403, code, who: 'a token of another scope' });
  const token = apiTokens.get(access);
  t.equal(token === undefined, needsSession(access), 'whether tokens have the scope');
  if (token === undefined) return;
  const admitted = await send(visit, roles.admin, { token });
  const text = await textOf(admitted);
  t.equal(admitted.status, answersOthers(visit, 'admin', access), `a token of the scope; ${text}`);
}

/** Another customer gets nothing of the owner's: an absent answer, or their own data. */
async function hidesFromOthers(t: Test, visit: Visit): Promise<void> {
  const { owner, other } = visit.callers;
  const asOther = await send(visit, other);
  if (visit.isNamed) {
    const absent = await send(visit, other, { path: pathFor(visit, ABSENT) });
    t.strictSame(await said(asOther), await said(absent), "another's answers as an absent one");
    t.equal(asOther.status, 404);
    return;
  }
  const text = await textOf(asOther);
  t.equal(asOther.status, visit.answers, text);
  for (const own of [owner.user.id, owner.user.email, owner.fileId, owner.logId])
    t.notMatch(text, own, "holds nothing of the owner's");
}

/** Checks that a malformed key is refused and that a repeated request gets the same answer. */
async function takesKeys(t: Test, visit: Visit, caller: SignedIn): Promise<void> {
  const { access, answers, fleet, route } = visit;
  const actor =
    access === 'public' ? { ...visit.callers.owner, ...(await fleet.signUp()) } : caller;
  // One body for all: another one under the same key is another request.
  const sent = {
    ...(await visit.send?.(actor, visit)),
    ...(access !== 'public' && { token: caller.token }),
  };
  const post = (key: string): Promise<Response> =>
    fleet.call('POST', ownPath(visit), { ...sent, headers: { 'idempotency-key': key } });
  if (answers !== 400) {
    const malformed = await post('not a key');
    t.equal(malformed.status, 400, await malformed.text());
  }
  const key = randomUUID();
  const [first, again] = [await post(key), await post(key)];
  const [text, textAgain] = [await first.text(), await again.text()];
  if (answers >= 300 || WITHOUT_KEPT_ANSWER.has(route)) {
    t.equal(again.headers.get('idempotent-replayed'), null);
    return;
  }
  t.equal(first.status, answers, text);
  t.equal(again.status, answers, textAgain);
  t.equal(textAgain, text);
  t.equal(again.headers.get('idempotent-replayed'), 'true', 'given again');
}

/** Who asks for what is named: its owner, or the first role that may ask. */
function actorOf({ callers, access }: Visit): SignedIn {
  if (access === 'public' || roleAllows('customer', access)) return callers.owner;
  return callers.roles[ROLES.find((role) => roleAllows(role, access)) ?? 'admin'];
}

async function visitRoute(t: Test, visit: Visit): Promise<void> {
  const { method, answers, access, callers, fleet, route, ends } = visit;
  const actor = actorOf(visit);
  // What answers 2xx without the condition must be 412 with it, and is done below all the same.
  if (method !== 'GET' && method !== 'HEAD' && answers < 300) {
    const token = access === 'public' ? null : actor.token;
    const unmet = await send(visit, actor, { token, headers: { 'if-match': '"zzz"' } });
    t.equal(unmet.status, 412, `an unmet condition; ${await unmet.text()}`);
  }
  if (method === 'POST' && !ends) await takesKeys(t, visit, actor);
  if (access === 'public') {
    for (const token of route.endsWith('/refresh')
      ? [null]
      : [null, callers.owner.token, callers.other.token, forge(callers.owner)]) {
      const answer = await send(visit, callers.owner, { token });
      t.equal(answer.status, answers, await answer.text());
    }
    return;
  }
  await refusesStrangers(t, visit);
  await answersApiTokens(t, visit, access);
  await answersRoles(t, visit, access);
  if (!roleAllows('customer', access)) return;
  await hidesFromOthers(t, visit);
  const asOwner = await send(visit, callers.owner);
  t.equal(asOwner.status, answers, `owner; ${await textOf(asOwner)}`);
  if (ends) [callers.owner, callers.other] = await Promise.all([newOwner(fleet), newOwner(fleet)]);
}

test('the walk has a row for each route of the services, with its permission', async (t) => {
  const stated = [...statedRoutes()];
  t.strictSame(
    Object.fromEntries(
      stated.map(([route, access]) => [route, access === 'public' ? access : access.permission]),
    ),
    Object.fromEntries(Object.entries(table).map(([route, { access }]) => [route, access])),
  );
  t.strictSame(
    stated
      .filter(([, access]) => access !== 'public' && access.viewer)
      .map(([route]) => route)
      .toSorted(),
    Object.keys(table)
      .filter((route) => table[route]?.viewer !== undefined)
      .toSorted(),
  );
});

test('each route answers only the callers whom the permission table admits', async (t) => {
  const fleet = await shareFleet();
  const callers = await openCallers(fleet, await openDatabase(t, fleet));
  for (const [route, row] of Object.entries(table)) {
    const [method = ''] = route.split(' ');
    await t.test(route, (t) => visitRoute(t, { ...row, route, method, fleet, callers }));
  }
  for (const [index, { token }] of [callers.owner, callers.other].entries()) {
    const files = await fleet.call('GET', '/api/files', { token });
    const names = ((await files.json()) as { name: string }[]).map(({ name }) => name);
    t.strictSame(names, ['own.txt'], `account ${index} has its file as it was`);
  }
});
