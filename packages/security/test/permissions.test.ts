import { test } from 'tap';
import { isPermission, isRole, PERMISSIONS, roleAllows } from '../src/index.ts';

test('only admins reach the directory and the whole trail', (t) => {
  for (const permission of ['audit:read-all', 'directory:read', 'directory:write'] as const) {
    t.same(
      (['customer', 'vendor', 'admin'] as const).map((role) => roleAllows(role, permission)),
      [false, false, true],
    );
  }
  t.ok(roleAllows('customer', 'files:write') && roleAllows('vendor', 'files:write'));
  t.end();
});

test('names that JavaScript objects inherit are neither roles nor permissions', (t) => {
  for (const name of ['constructor', 'toString', '__proto__', 'root', '', null]) {
    t.notOk(isPermission(name));
    t.notOk(isRole(name));
  }
  t.ok(Object.keys(PERMISSIONS).every(isPermission));
  t.end();
});
