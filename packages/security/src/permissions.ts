/** The user types; `users.type` holds one of them. */
export const roles = ['customer', 'vendor', 'admin'] as const;
export type Role = (typeof roles)[number];

export const isRole = (value: unknown): value is Role => roles.some((role) => role === value);

const everyone = roles;
const adminOnly = ['admin'] as const;

/**
 * Who may do what: the one table of the product. A route names one permission; that what is read or written belongs to
 * the caller is decided by the query, not here.
 */
export const permissions = {
  'profile:read': everyone,
  'profile:write': everyone,
  'profile:delete': everyone,
  'sessions:manage': everyone,
  'files:read': everyone,
  'files:write': everyone,
  'audit:read-own': everyone,
  'audit:read-all': adminOnly,
  'audit:write-events': adminOnly,
  'audit:operate': adminOnly,
  'directory:read': adminOnly,
  'directory:write': adminOnly,
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(permissions, value);

export const roleMay = (role: Role, permission: Permission): boolean =>
  permissions[permission].some((allowed) => allowed === role);
