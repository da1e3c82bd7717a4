import pg from 'pg';

/** The product's roles. Migrations grant each the least it needs, by name. */
export const ROLES = [
  'migrator',
  'user_service',
  'file_service',
  'audit_service',
  'audit_retention',
  'audit_reconciler',
] as const;
export type Role = (typeof ROLES)[number];

/**
 * The role whose statements are planned once per connection. PostgreSQL otherwise plans a page of
 * the trail anew each time: 1.6 of its 2.8 ms. Its statements are pinned to their indexes.
 */
const PLANS_ONCE: Role = 'audit_service';

/**
 * Creates the roles and the database, or updates the passwords. Concurrent starts may run it.
 * @param adminUrl a superuser, or a role with CREATEROLE and CREATEDB, on the maintenance database
 */
export async function ensureRolesAndDatabase(
  adminUrl: string,
  database: string,
  passwords: Record<Role, string>,
): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 5_000 });
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock(7305146)');
    for (const role of ROLES) {
      const { rowCount } = await admin.query('select 1 from pg_roles where rolname = $1', [role]);
      // Only superusers may name these attributes of an existing role, even to deny them. A managed
      // database's administrator could otherwise run this only once.
      const verb = rowCount === 0 ? 'create' : 'alter';
      const attributes = rowCount === 0 ? 'nosuperuser nocreatedb nocreaterole' : '';
      await admin.query(
        `${verb} role ${role} login ${attributes} password ${admin.escapeLiteral(passwords[role])}`,
      );
      if (role === PLANS_ONCE)
        await admin.query(`alter role ${role} set plan_cache_mode = force_generic_plan`);
    }
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [
      database,
    ]);
    if (rowCount === 0) {
      await admin.query(`grant migrator to current_user`);
      await admin.query(
        `create database ${admin.escapeIdentifier(database)} owner migrator
         template template0 encoding 'UTF8' locale 'C.UTF-8'`,
      );
      await admin.query(`revoke all on database ${admin.escapeIdentifier(database)} from public`);
      await admin.query(
        `grant connect on database ${admin.escapeIdentifier(database)} to ${ROLES.join(', ')}`,
      );
    }
  } finally {
    await admin.end();
  }
}
