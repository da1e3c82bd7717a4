import { until, type Rows } from '@muniment/testing';
import { PERMISSION_NAMES, needsSession, type Permission, type Role } from '@muniment/security';
import { assemble, keyPair } from '../../../packages/security/test/forgery.ts';
import { PASSWORD, type Fleet, type SignedIn } from '../fleet.ts';

/** A customer with a file and an entry in the trail. */
export interface Owner extends SignedIn {
  fileId: string;
  logId: string;
}

/** Every kind of caller. The owner and the other customer change when a request ends them. */
export interface Callers {
  owner: Owner;
  other: Owner;
  roles: Readonly<Record<Role, SignedIn>>;
  /** API tokens of the administrator, each with one scope. */
  apiTokens: ReadonlyMap<Permission, string>;
  viewerToken: string;
  suspendedToken: string;
  /** The fleet's database, as superuser. */
  rows: Rows;
}

export async function newOwner(fleet: Fleet): Promise<Owner> {
  const signedIn = await fleet.signUp();
  const uploaded = await fleet.upload(signedIn.token, 'own.txt', 'own bytes');
  const { id: fileId } = (await uploaded.json()) as { id: string };
  const log = await until(async () => (await fleet.trail(signedIn.token))[0], {
    what: 'the first event is in the trail',
  });
  return { ...signedIn, fileId, logId: log.id };
}

/** A new account of a role, in a session that began in it. */
export async function newAccount(fleet: Fleet, rows: Rows, role: Role): Promise<SignedIn> {
  const { user } = await fleet.signUp();
  await rows('update identity.users set type = $2 where id = $1', [user.id, role]);
  const login = await fleet.call('POST', '/login', {
    json: { email: user.email, password: PASSWORD },
  });
  return (await login.json()) as SignedIn;
}

async function suspendedToken(fleet: Fleet, rows: Rows): Promise<string> {
  const { user, token } = await fleet.signUp();
  await rows(`update identity.users set status = 'suspended' where id = $1`, [user.id]);
  await until(async () => (await fleet.call('GET', '/api/users/me', { token })).status === 401, {
    what: 'the suspension counts',
  });
  return token;
}

async function tokenOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { token: string }).token;
}

/** One token a scope. */
async function newApiTokens(fleet: Fleet, { token }: SignedIn): Promise<Map<Permission, string>> {
  const tokens = new Map<Permission, string>();
  for (const scope of PERMISSION_NAMES.filter((name) => !needsSession(name))) {
    const json = { name: scope, scopes: [scope] };
    tokens.set(scope, await tokenOf(await fleet.call('POST', '/api/auth/tokens', { token, json })));
  }
  return tokens;
}

export async function openCallers(fleet: Fleet, rows: Rows): Promise<Callers> {
  const owner = await newOwner(fleet);
  const admin = await newAccount(fleet, rows, 'admin');
  const viewer = await fleet.call('POST', '/api/audit/viewer-tokens', {
    token: admin.token,
    json: { tenant_id: 'acme' },
  });
  return {
    owner,
    other: await newOwner(fleet),
    roles: {
      customer: await newAccount(fleet, rows, 'customer'),
      vendor: await newAccount(fleet, rows, 'vendor'),
      admin,
      auditor: await newAccount(fleet, rows, 'auditor'),
    },
    apiTokens: await newApiTokens(fleet, admin),
    viewerToken: await tokenOf(viewer),
    suspendedToken: await suspendedToken(fleet, rows),
    rows,
  };
}

/** The token's claims under another key of the same name. */
export function forge({ token }: SignedIn): string {
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map(
      (part) => JSON.parse(Buffer.from(part, 'base64url').toString() || '{}') as { kid: string },
    );
  return assemble(header, claims, keyPair(header?.kid ?? '').privateKey);
}
