import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Runs one statement as superuser, on the maintenance database unless told another. */
export async function asSuperuser<Row>(text: string, database = 'postgres'): Promise<Row[]> {
  const url = new URL(process.env.TEST_POSTGRES_URL ?? '');
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** An empty database owned by `migrator`, as URLs by role. It is dropped after the test. */
export async function createEmptyDatabase(t: {
  teardown(fn: () => Promise<unknown>): void;
}): Promise<{ name: string; url(role: string): string }> {
  const name = `empty_${randomBytes(8).toString('hex')}`;
  await asSuperuser(
    `create database ${name} owner migrator template template0 encoding 'UTF8' locale 'C.UTF-8'`,
  );
  t.teardown(() => asSuperuser(`drop database if exists ${name} with (force)`));
  return {
    name,
    url(role) {
      const url = new URL(process.env.TEST_POSTGRES_URL ?? '');
      url.pathname = `/${name}`;
      url.username = role;
      return url.href;
    },
  };
}
