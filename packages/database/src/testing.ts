import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Role } from './roles.ts';

export interface TestDatabase {
  /** Connection URL as one of the product's roles; the superuser when no role is given. */
  url(role?: Role): string;
}

/** What of a tap test is needed to clean up after it. */
interface Teardown {
  teardown(fn: () => Promise<unknown>): void;
}

async function asSuperuser(url: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(statement);
  } finally {
    await admin.end();
  }
}

/**
 * Clones the migrated template into a database that only this test uses and drops it afterwards, so that test files run in
 * parallel. Needs the environment that `scripts/test.ts` sets.
 */
export async function createTestDatabase(t: Teardown): Promise<TestDatabase> {
  const serverUrl = process.env.TEST_POSTGRES_URL;
  const template = process.env.TEST_DATABASE_TEMPLATE;
  if (!serverUrl || !template)
    throw new Error('no test PostgreSQL: run this file by `node scripts/test.ts <file>`');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asSuperuser(serverUrl, `create database ${name} template ${template} strategy file_copy`);
  t.teardown(() => asSuperuser(serverUrl, `drop database if exists ${name} with (force)`));
  return {
    url(role) {
      const url = new URL(serverUrl);
      url.pathname = `/${name}`;
      if (role) url.username = role;
      return url.href;
    },
  };
}
