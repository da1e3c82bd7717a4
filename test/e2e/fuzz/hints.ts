import { DEAD_HOOK } from '../fleet.ts';
import { symbolOf, type Kind } from './symbols.ts';

/** Values that mean something to a field, by its name. */
export const HINTS: Readonly<Record<string, readonly string[]>> = {
  action: ['LOGIN_SUCCESS', 'invoice.paid'],
  actions: ['LOGIN_FAIL', 'FILE_*'],
  aws_cognito_id: ['cognito-1'],
  allowed_ips: ['192.0.2.1', '10.0.0.0/8', '::1', '2001:db8::/129'],
  city: ['Oslo', 'Zürich'],
  country: ['IN', 'India', 'USA', 'Deutschland', 'Narnia'],
  external_id: ['crm-1', 'crm-2'],
  gst_number: ['27AAPFU0939F1ZV', '27AAPFU0939F1ZX'],
  ip: ['127.0.0.1', '::1', '::ffff:1.2.3.4', '300.1.1.1'],
  last_active_from: ['2026-11-30'],
  phone: ['+4930901820', '+1234567890', '030', 'call me'],
  q: ['ada', 'fuzz', '@example', '+49', 'ä', '%', '_', '\\'],
  scopes: ['profile:read', 'files:read', 'directory:write', 'account:manage', 'root'],
  tenant_id: ['acme', 'globex'],
  // The shared fleet may deliver to the first, where nothing listens. No name here resolves.
  url: [
    DEAD_HOOK,
    'https://hooks.invalid/x',
    'http://127.0.0.1/',
    'file:///etc/passwd',
    'https://[::1]:1/',
  ],
  website: ['https://example.com', 'javascript:alert(1)', 'http://user:pw@example.com'],
  whatsapp_number: ['+919876543210', '12'],
  working_days: ['monday', 'Mon-Fri', 'monday, tuesday'],
};

const KINDS: Readonly<Record<string, readonly Kind[]>> = {
  actor: ['user'],
  ids: ['user'],
  resource: ['file', 'user'],
  session_id: ['session'],
  subject: ['user'],
  userId: ['user', 'vendor'],
  user_id: ['user', 'vendor'],
  delivery_id: ['delivery'],
};

/** Whom or what a field may name: the caller's own, another's, or nothing that exists. */
export function symbolsFor(name: string, format: string): string[] {
  if (name === 'email')
    return (['own', 'foreign', 'fresh'] as const).map((whose) => symbolOf(whose, 'email'));
  if (name.endsWith('password'))
    return [symbolOf('own', 'password'), symbolOf('absent', 'password')];
  if (name.endsWith('token')) return [symbolOf('own', 'token'), symbolOf('absent', 'token')];
  const kinds = KINDS[name] ?? (format === 'uuid' ? (['user'] as const) : []);
  return kinds.flatMap((kind) =>
    (['own', 'foreign', 'absent'] as const).map((whose) => symbolOf(whose, kind)),
  );
}

/** What `{id}` of a path is, by the path's beginning. The longest fits. */
const IDS: readonly (readonly [prefix: string, kind: Kind])[] = [
  ['/api/files/', 'file'],
  ['/api/auth/sessions/', 'session'],
  ['/api/v1/auth/user/logout/', 'session'],
  ['/api/auth/tokens/', 'apiToken'],
  ['/api/audit/logs/', 'log'],
  ['/api/audit/viewer-tokens/', 'viewerToken'],
  ['/api/audit/webhooks/', 'webhook'],
  ['/api/audit/quarantine/', 'delivery'],
  ['/api/vendor-profiles/user/', 'vendor'],
  ['/api/vendor-profiles/', 'profile'],
  ['/vendor-profiles/user/', 'vendor'],
  ['/vendor-profiles/', 'profile'],
  ['/api/users/', 'user'],
  ['/users/', 'user'],
];

export const kindOfId = (path: string): Kind =>
  IDS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'delivery';
