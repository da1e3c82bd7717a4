/** The user types, which `users.type` holds, in the order of the table's columns. */
export const ROLES = ['customer', 'vendor', 'admin', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value);

/** Whose data a permission reaches: the caller's own, or anyone's. */
export type Reach = 'own' | 'any';

/**
 * The reach of each role, then the weakest credential. `session` keeps a stolen API token from
 * making others or taking the account over.
 */
type Row = readonly [...Columns<typeof ROLES>, 'token' | 'session'];
type Columns<Roles extends readonly Role[]> = { [Column in keyof Roles]: Reach | null };

/**
 * The only table of permissions: `resource:action`, and who may do it to whose data. API tokens
 * hold the names as scopes, so a name never changes.
 */
// prettier-ignore
export const PERMISSIONS = {
  //                          customer  vendor  admin  auditor
  'profile:read':            ['own',    'own',  'own', 'own',  'token'],
  'profile:write':           ['own',    'own',  'own', 'own',  'token'],
  'profile:delete':          ['own',    'own',  'own', 'own',  'token'],
  'account:manage':          ['own',    'own',  'own', 'own',  'session'],
  'sessions:manage':         ['own',    'own',  'own', 'own',  'session'],
  'tokens:manage':           ['own',    'own',  'own', null,   'session'],
  'tokens:introspect':       [null,     null,   'any', null,   'token'],
  'service-accounts:manage': [null,     null,   'any', null,   'session'],
  'directory:read':          [null,     null,   'any', 'any',  'token'],
  'directory:write':         [null,     null,   'any', null,   'token'],
  'directory:export':        [null,     null,   'any', null,   'token'],
  'vendor-profiles:read':    ['any',    'any',  'any', 'any',  'token'],
  'vendor-profiles:write':   [null,     'own',  'any', null,   'token'],
  'files:read':              ['own',    'own',  'own', null,   'token'],
  'files:write':             ['own',    'own',  'own', null,   'token'],
  'audit:read-own':          ['own',    'own',  'own', 'own',  'token'],
  'audit:read-all':          [null,     null,   'any', 'any',  'token'],
  'audit:write-events':      [null,     null,   'any', null,   'token'],
  'audit:operate':           [null,     null,   'any', null,   'token'],
} as const satisfies Record<`${string}:${string}`, Row>;

export type Permission = keyof typeof PERMISSIONS;

const words = (text: string): readonly string[] => text.split(/\s+/);

/**
 * What `vendor-profiles:read` shows: of profiles of active vendors the public fields. The rest only
 * to the vendor, and to readers of the directory, who see every profile.
 */
export const VENDOR_PROFILE_FIELDS = {
  public: words(`id user_id business_name company_name business_type city country country_code
    website logo company_details working_days payment_mode establishment employee_count
    created updated created_at updated_at`),
  restricted: words(`contact_person designation whatsapp_number address gst_number
    business_registration_certificate created_by updated_by`),
};

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(PERMISSIONS, value);

export const PERMISSION_NAMES: readonly Permission[] =
  Object.keys(PERMISSIONS).filter(isPermission);

/** What each role holds, read once: a check is one look-up. */
const HELD = new Map(
  ROLES.map((role, column) => [
    role,
    new Map(PERMISSION_NAMES.map((name) => [name, PERMISSIONS[name][column] as Reach | null])),
  ]),
);

const SESSION_ONLY: ReadonlySet<Permission> = new Set(
  PERMISSION_NAMES.filter((name) => PERMISSIONS[name].at(-1) === 'session'),
);

/** Whose data a role reaches by a permission; null for a role without it. */
export const reachOf = (role: Role, permission: Permission): Reach | null =>
  HELD.get(role)?.get(permission) ?? null;

export const roleAllows = (role: Role, permission: Permission): boolean =>
  reachOf(role, permission) !== null;

/** Whether an API token cannot do it, whatever its scopes. */
export const needsSession = (permission: Permission): boolean => SESSION_ONLY.has(permission);

/** Whether accounts of the role may hold API tokens. */
const mayHoldTokens = (role: Role): boolean => roleAllows(role, 'tokens:manage');

/**
 * Roles that reach everybody's data, so their accounts need a long password and a proved address.
 * Nobody signs up for them.
 */
const PRIVILEGED_ROLES = ['admin', 'auditor'] as const satisfies readonly Role[];
export type PrivilegedRole = (typeof PRIVILEGED_ROLES)[number];

export const isPrivileged = (role: Role): role is PrivilegedRole =>
  PRIVILEGED_ROLES.some((privileged) => privileged === role);

/** Whether only privileged roles hold it. */
export const isAdministrative = (permission: Permission): boolean =>
  ROLES.every((role) => isPrivileged(role) || !roleAllows(role, permission));

/** The role lacks it, it needs a session, or the API token lacks the scope. */
export type Denial = 'role' | 'session_required' | 'scope';

/** Why a caller may not do something; undefined when they may. Scopes are null in a session. */
export function denialOf(
  caller: { role: Role; scopes: readonly Permission[] | null },
  permission: Permission,
): Denial | undefined {
  if (!roleAllows(caller.role, permission)) return 'role';
  if (caller.scopes === null) return undefined;
  // A token from before its owner received a role without tokens.
  if (!mayHoldTokens(caller.role)) return 'role';
  if (needsSession(permission)) return 'session_required';
  return caller.scopes.includes(permission) ? undefined : 'scope';
}
