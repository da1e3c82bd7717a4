import { test } from 'tap';
import {
  isAdministrative,
  isPermission,
  isPrivileged,
  isRole,
  type Permission,
  PERMISSION_NAMES,
  reachOf,
  type Role,
  roleAllows,
  ROLES,
} from '../src/index.ts';

const heldBy = (role: Role): readonly Permission[] =>
  PERMISSION_NAMES.filter((permission) => roleAllows(role, permission));

test('only admins and auditors reach the directory and the whole trail', (t) => {
  for (const permission of ['audit:read-all', 'directory:read'] as const)
    t.strictSame(
      ROLES.map((role) => reachOf(role, permission)),
      [null, null, 'any', 'any'],
    );
  t.strictSame(
    ROLES.map((role) => reachOf(role, 'directory:write')),
    [null, null, 'any', null],
  );
  t.ok(roleAllows('customer', 'files:write') && roleAllows('vendor', 'files:write'));
  t.end();
});

test('an auditor reads trail and directory, and manages no more than the own account', (t) => {
  t.strictSame(heldBy('auditor').toSorted(), [
    'account:manage',
    'audit:read-all',
    'audit:read-own',
    'directory:read',
    'profile:delete',
    'profile:read',
    'profile:write',
    'sessions:manage',
    'vendor-profiles:read',
  ]);
  t.end();
});

test('no role but an administrator changes what is not its own', (t) => {
  for (const role of ROLES.filter((each) => each !== 'admin'))
    t.strictSame(
      heldBy(role).filter(
        (permission) => reachOf(role, permission) === 'any' && !/:read/.test(permission),
      ),
      [],
      role,
    );
  t.end();
});

test('roles and permissions that the public cannot have are told apart', (t) => {
  t.strictSame(
    ROLES.filter(isPrivileged),
    ROLES.filter((role) => reachOf(role, 'directory:read') === 'any'),
  );
  t.ok(isAdministrative('audit:read-all'));
  t.notOk(isAdministrative('vendor-profiles:write'), 'a vendor has it');
  t.end();
});

test('names that JavaScript objects inherit are neither roles nor permissions', (t) => {
  for (const name of ['constructor', 'toString', '__proto__', 'root', '', null]) {
    t.notOk(isPermission(name));
    t.notOk(isRole(name));
  }
  t.ok(PERMISSION_NAMES.every(isPermission));
  t.end();
});
