import { randomUUID } from 'node:crypto';
import { roleAllows, TOKEN_SCOPES, type Role } from '@muniment/security';
import { until, type Rows } from '@muniment/testing';
import { newAccount } from '../access/callers.ts';
import { DEAD_HOOK, PASSWORD, type Fleet, type SignedIn } from '../fleet.ts';
import type { Values } from './symbols.ts';

/** Who sends requests, with what they own. */
export interface Actor {
  token?: string;
  own: Values;
}

/** A kind of caller, made anew when a request has ended the last one. */
export interface Caller {
  name: string;
  /** As the document calls it; null: only public routes admit it. */
  role: Role | null;
  /** Whether what is another's must look as if it were absent. */
  isConfined: boolean;
  open(): Promise<Actor>;
}

interface Context {
  fleet: Fleet;
  rows: Rows;
}

async function idOf(answer: Response): Promise<string> {
  const text = await answer.text();
  // A long run makes as many webhooks as are allowed. Without an id the caller names an absent one.
  if (text.includes('"too_many_webhooks"')) return randomUUID();
  if (answer.status !== 201) throw new Error(`a caller lacks a belonging: ${text}`);
  return (JSON.parse(text) as { id: string }).id;
}

/** What a role may own: a file, an API token, a webhook, a viewer token, a profile. */
async function openBelongings(
  { fleet }: Context,
  role: Role,
  { token }: SignedIn,
): Promise<Values> {
  const post = async (path: string, json: object): Promise<string> =>
    idOf(await fleet.call('POST', path, { token, json }));
  const isAllowed = roleAllows(role, 'tokens:manage');
  return {
    ...(isAllowed && { file: await idOf(await fleet.upload(token, 'own.txt', 'own bytes')) }),
    ...(isAllowed && {
      apiToken: await post('/api/auth/tokens', { name: 'x', scopes: ['profile:read'] }),
    }),
    ...(role === 'vendor' && {
      profile: await post('/api/vendor-profiles', {
        business_type: 'Trade',
        business_name: 'Fuzz & Sons',
        country: 'IN',
      }),
    }),
    ...(role === 'admin' && {
      webhook: await post('/api/audit/webhooks', { url: DEAD_HOOK, actions: ['NEVER'] }),
      viewerToken: await post('/api/audit/viewer-tokens', { tenant_id: 'acme' }),
    }),
  };
}

/** On a loaded machine a request may fail that a second attempt does not. */
async function openAccount(context: Context, role: Role): Promise<Actor> {
  const open = async (): Promise<Actor> => openOnce(context, role);
  return open().catch(open).catch(open);
}

async function openOnce(context: Context, role: Role): Promise<Actor> {
  const { fleet, rows } = context;
  const account = await newAccount(fleet, rows, role);
  const own = await openBelongings(context, role, account);
  const log = await until(async () => (await fleet.trail(account.token))[0], {
    what: 'the first event is in the trail',
  });
  return {
    token: account.token,
    own: {
      ...own,
      log: log.id,
      user: account.user.id,
      vendor: account.user.id,
      email: account.user.email,
      session: account.session_id,
      token: account.refresh_token,
      password: PASSWORD,
    },
  };
}

/** An account whose requests carry an API token of all scopes that its role may have. */
async function openApiToken(context: Context, role: Role): Promise<Actor> {
  const actor = await openAccount(context, role);
  const answer = await context.fleet.call('POST', '/api/auth/tokens', {
    ...(actor.token !== undefined && { token: actor.token }),
    json: { name: 'all', scopes: TOKEN_SCOPES.filter((scope) => roleAllows(role, scope)) },
  });
  const { token, id } = (await answer.json()) as { token: string; id: string };
  return { token, own: { ...actor.own, apiToken: id } };
}

async function openSuspended(context: Context): Promise<Actor> {
  const actor = await openAccount(context, 'vendor');
  const { fleet, rows } = context;
  await rows(`update identity.users set status = 'suspended' where id = $1`, [actor.own.user]);
  const { token = '' } = actor;
  await until(async () => (await fleet.call('GET', '/api/users/me', { token })).status === 401, {
    what: 'the suspension counts',
  });
  return actor;
}

/** What is another's: an active vendor's things, and the profile of a vendor who is not active. */
export async function openForeign(context: Context): Promise<Values> {
  const [shown, hidden, admin] = await Promise.all([
    openAccount(context, 'vendor'),
    openSuspended(context),
    openAccount(context, 'admin'),
  ]);
  const { webhook = '', viewerToken = '' } = admin.own;
  const { profile = '', vendor = '' } = hidden.own;
  return { ...shown.own, profile, vendor, webhook, viewerToken };
}

async function openViewer(context: Context): Promise<Actor> {
  const { token = '' } = await openAccount(context, 'admin');
  const json = { tenant_id: 'acme', expires_in: 3_600 };
  const answer = await context.fleet.call('POST', '/api/audit/viewer-tokens', { token, json });
  return { token: ((await answer.json()) as { token: string }).token, own: {} };
}

export function listCallers(context: Context): Caller[] {
  const account = (role: Role): Caller => ({
    name: role,
    role,
    isConfined: !roleAllows(role, 'audit:read-all'),
    open: () => openAccount(context, role),
  });
  const confined = { role: null, isConfined: true };
  return [
    account('customer'),
    account('vendor'),
    account('admin'),
    account('auditor'),
    { ...confined, name: 'nobody', open: async () => ({ own: {} }) },
    { ...confined, name: 'suspended', open: () => openSuspended(context) },
    { ...confined, name: 'viewer-token', open: () => openViewer(context) },
    {
      ...account('customer'),
      name: 'customer-token',
      open: () => openApiToken(context, 'customer'),
    },
    { ...account('admin'), name: 'admin-token', open: () => openApiToken(context, 'admin') },
  ];
}
