import pg from 'pg';

/** The roles of the product, each with the least it needs; migrations grant to them by name. */
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
 * Makes the roles and the database, or brings the passwords up to date. Idempotent, and safe to run from several starts at once.
 * @param adminUrl a superuser (or a role with CREATEROLE and CREATEDB) on the maintenance database
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
      // PostgreSQL lets only superusers name these attributes of a role that exists, even to say «no»: an admin without it (a managed
      // database's master) could migrate once and never again.
      const made = rowCount === 0 ? 'create' : 'alter';
      const attributes = rowCount === 0 ? 'nosuperuser nocreatedb nocreaterole' : '';
      await admin.query(
        `${made} role ${role} login ${attributes} password ${admin.escapeLiteral(passwords[role])}`,
      );
    }
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [
      database,
    ]);
    if (rowCount === 0) {
      await admin.query(`grant migrator to current_user`);
      await admin.query(
        `create database ${admin.escapeIdentifier(database)} owner migrator template template0 encoding 'UTF8' locale 'C.UTF-8'`,
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
