/**
 * Writes docs/permissions.md from the permission table, the routes and the channels.
 * `--check` writes nothing and exits 1 when it is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  needsSession,
  PERMISSION_NAMES,
  reachOf,
  roleAllows,
  ROLES,
  VENDOR_PROFILE_FIELDS,
  type Permission,
} from '@muniment/security';
import { channels } from '../services/user/web-socket/answer-message.ts';
import type { Channel } from '../services/user/web-socket/channel.ts';
import { listRoutes } from './documents/routes.ts';

const FILE = 'docs/permissions.md';
const root = join(import.meta.dirname, '..');

const HEAD = `# Permissions

<!-- Made by scripts/permissions-reference.ts. Edit packages/security/src/permissions.ts. -->

Who may do what, and to whose data: \`own\` is the caller's, \`any\` is anyone's, \`-\` is nobody's.
Nothing else decides: a route and a channel of the WebSocket each name one of these permissions, or
say that they are public. A test calls every route as each kind of caller and expects what this
page says.`;

const RULES = `- An API token does what both its scopes and its owner's role allow. Scopes are these
  names. \`session\` is for no API token, whatever its scopes (\`session_required\`).
- An account whose role lacks \`tokens:manage\` cannot use API tokens from before either.
- A caller in a session has all permissions of the role. A changed role counts within a second on
  every replica.
- A refusal to a known caller is 403 (\`permission_denied\`, \`insufficient_scope\`,
  \`session_required\`) and the event \`ACCESS_DENIED\`. Another's resource that the caller may not
  see is 404, as an absent one.
- A viewer token reads a tenant's own events, on the routes marked below and on no other.
- \`admin\` and \`auditor\` reach everybody's data: their passwords have at least 15 characters, and
  an account gets one of these roles only with an address that is proved, or loses its password,
  sessions and tokens to a link by mail (\`make admin\`, \`make auditor\`).
- The last active administrator stays: demotion, suspension and deletion are 409
  \`last_administrator\`, by SQL too. A service account is no person and does not count.`;

const cell = (text: string | null): string => text ?? '-';
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (columns: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(row)].join('\n');

function permissionRows(): string[][] {
  return PERMISSION_NAMES.map((permission) => {
    const [resource = '', action = ''] = permission.split(':');
    const reaches = ROLES.map((role) => cell(reachOf(role, permission)));
    return [
      resource,
      action,
      ...reaches,
      needsSession(permission) ? 'session' : 'session, API token',
    ];
  });
}

const holdersOf = (permission: Permission): string =>
  ROLES.filter((role) => roleAllows(role, permission)).join(', ');

function routeRows(): string[][] {
  return listRoutes().flatMap(({ definition: { method, url, aliases = [], access, summary } }) =>
    [method]
      .flat()
      .flatMap((verb) =>
        [url, ...aliases].map((path) => [
          `\`${verb} ${path}\``,
          summary,
          ...(access === 'public'
            ? ['public', 'everybody']
            : [
                `\`${access.permission}\``,
                `${holdersOf(access.permission)}${access.viewer ? ', viewer token' : ''}`,
              ]),
        ]),
      ),
  );
}

function channelRow({ name, access }: Channel): string[] {
  if (access === 'public') return [`\`${name}\``, 'public', 'public'];
  const own = access.own ?? access.any;
  return [`\`${name}\``, `\`${own}\``, `\`${access.any}\``];
}

const fieldRows = (): string[][] => [
  ['active vendors', 'every holder of `vendor-profiles:read`', listFields('public')],
  [
    'any vendor',
    'the vendor, and holders of `directory:read`',
    `the same, and ${listFields('restricted')}`,
  ],
];

const listFields = (sight: keyof typeof VENDOR_PROFILE_FIELDS): string =>
  VENDOR_PROFILE_FIELDS[sight].map((name) => `\`${name}\``).join(', ');

/** The content of docs/permissions.md. */
export function renderPermissions(): string {
  const parts = [
    HEAD,
    '## The table',
    table(['Resource', 'Action', ...ROLES, 'By'], permissionRows()),
    RULES,
    '## Fields of vendor profiles',
    table(['Profiles of', 'Who sees them', 'Fields'], fieldRows()),
    '## Routes',
    table(['Route', 'What it does', 'Permission', 'Callers'], routeRows()),
    '## Channels of the WebSocket',
    table(['Channel', "For the token's owner", 'For others'], channels.map(channelRow)),
  ];
  return `${parts.join('\n\n')}\n`;
}

async function main(check: boolean): Promise<void> {
  const wanted = renderPermissions();
  const present = await readFile(join(root, FILE), 'utf8').catch(() => '');
  if (present === wanted) return;
  if (check) {
    console.error(`${FILE} is stale: run node scripts/permissions-reference.ts`);
    process.exitCode = 1;
  } else await writeFile(join(root, FILE), wanted);
}

if (import.meta.main)
  await main(parseArgs({ options: { check: { type: 'boolean', default: false } } }).values.check);
