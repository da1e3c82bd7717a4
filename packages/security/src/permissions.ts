/** The user types; `users.type` holds one of them. */
export const ROLES = ['customer', 'vendor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value);

type Grant = {
  roles: readonly Role[];
  /** Never by an API token, whatever its scopes: who finds one must not be able to make others, or to take the account over. */
  sessionOnly: boolean;
};

const everyone: Grant = { roles: ROLES, sessionOnly: false };
const everyoneInSession: Grant = { roles: ROLES, sessionOnly: true };
const admins: Grant = { roles: ['admin'], sessionOnly: false };
const adminsInSession: Grant = { roles: ['admin'], sessionOnly: true };

/**
 * Who may do what: the one table of the product. A route names one permission; that what is read or written belongs to
 * the caller is decided by the query, not here.
 */
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

/** Why a caller may not do something: their role lacks it, it takes a session, or their API token was not made for it. */
export type Denial = 'role' | 'session_required' | 'scope';

/**
 * What keeps a caller from doing something; undefined: nothing does. An API token never allows more than its owner's role does at this moment.
 * @param scopes of the API token; null in a session
 */
export const denialOf = (
  caller: { role: Role; scopes: readonly Permission[] | null },
  permission: Permission,
): Denial | undefined => {
  if (!roleAllows(caller.role, permission)) return 'role';
  if (caller.scopes === null) return undefined;
  if (PERMISSIONS[permission].sessionOnly) return 'session_required';
  return caller.scopes.includes(permission) ? undefined : 'scope';
};
