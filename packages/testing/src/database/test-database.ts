import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Role } from '@muniment/database/roles';
import type { Teardown } from '../teardown.ts';

export interface TestDatabase {
  /** Connection URL of one of the product's roles, or of the superuser. */
  url(role?: Role): string;
}

async function runAsSuperuser(url: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(statement);
  } finally {
    await admin.end();
  }
}

/** Clones the migrated template for this test. @throws outside `scripts/test.ts` */
export async function createTestDatabase(t: Teardown): Promise<TestDatabase> {
  const serverUrl = process.env['TEST_POSTGRES_URL'];
  const template = process.env['TEST_DATABASE_TEMPLATE'];
  if (!serverUrl || !template)
    throw new Error('There is no test PostgreSQL. Run `make test T=<file>`.');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runAsSuperuser(
    serverUrl,
    `create database ${name} template ${template} strategy file_copy`,
  );
  t.teardown(() => runAsSuperuser(serverUrl, `drop database if exists ${name} with (force)`));
  return {
    url(role) {
      const url = new URL(serverUrl);
      url.pathname = `/${name}`;
      if (role) url.username = role;
      return url.href;
    },
  };
}

/** A superuser's connection to stored data. It closes with the test. */
export async function connectSuperuser(t: Teardown, database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url() });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}
