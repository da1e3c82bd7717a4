import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { PERMISSION_NAMES } from '@muniment/security';
import { listRoutes } from '../scripts/documents/routes.ts';
import { renderPermissions } from '../scripts/permissions-reference.ts';

const root = join(import.meta.dirname, '..');

test('docs/permissions.md matches the permission table and the routes', (t) => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['scripts/permissions-reference.ts', '--check'],
    { cwd: root, encoding: 'utf8' },
  );
  t.equal(status, 0, stderr);
  t.end();
});

test('every permission, route and alias stands on the page', (t) => {
  const page = renderPermissions();
  for (const permission of PERMISSION_NAMES) {
    const [resource, action] = permission.split(':');
    t.equal(page.split(`| ${resource} | ${action} |`).length, 2, permission);
  }
  const routes = listRoutes();
  t.ok(routes.length >= 60, `${routes.length} routes`);
  for (const { definition } of routes)
    for (const path of [definition.url, ...(definition.aliases ?? [])])
      t.match(page, `${[definition.method].flat().at(-1)} ${path}\``);
  t.end();
});

test('the page is linked from the documents that speak of permissions', (t) => {
  for (const [file, link] of [
    ['README.md', 'docs/permissions.md'],
    ['docs/api.md', 'permissions.md'],
    ['docs/security.md', 'permissions.md'],
  ] as const)
    t.match(readFileSync(join(root, file), 'utf8'), `(${link})`, file);
  t.end();
});
