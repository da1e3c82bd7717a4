/** The user types, which `users.type` holds. */
export const ROLES = ['customer', 'vendor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value);

interface Grant {
  roles: readonly Role[];
  /** Keeps a stolen API token from making others or taking the account over. */
  sessionOnly: boolean;
}

const everyone: Grant = { roles: ROLES, sessionOnly: false };
const everyoneInSession: Grant = { roles: ROLES, sessionOnly: true };
const admins: Grant = { roles: ['admin'], sessionOnly: false };
const adminsInSession: Grant = { roles: ['admin'], sessionOnly: true };

/** The only table of permissions. Queries limit callers to their own rows. */
export const PERMISSIONS = {
  'profile:read': everyone,
  'profile:write': everyone,
  'profile:delete': everyone,
  'account:manage': everyoneInSession,
  'sessions:manage': everyoneInSession,
  'tokens:manage': everyoneInSession,
  'tokens:introspect': admins,
  'files:read': everyone,
  'files:write': everyone,
  'audit:read-own': everyone,
  'audit:read-all': admins,
  'audit:write-events': admins,
  'audit:operate': admins,
  'directory:read': admins,
  'directory:write': admins,
  'service-accounts:manage': adminsInSession,
} as const satisfies Record<string, Grant>;

export type Permission = keyof typeof PERMISSIONS;

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(PERMISSIONS, value);

export const roleAllows = (role: Role, permission: Permission): boolean =>
  PERMISSIONS[permission].roles.includes(role);

/** The role lacks it, it needs a session, or the API token lacks the scope. */
export type Denial = 'role' | 'session_required' | 'scope';

/** Why a caller may not do something; undefined when they may. Scopes are null in a session. */
export function denialOf(
  caller: { role: Role; scopes: readonly Permission[] | null },
  permission: Permission,
): Denial | undefined {
  if (!roleAllows(caller.role, permission)) return 'role';
  if (caller.scopes === null) return undefined;
  if (PERMISSIONS[permission].sessionOnly) return 'session_required';
  return caller.scopes.includes(permission) ? undefined : 'scope';
}
