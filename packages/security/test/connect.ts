import { createDatabase } from '@muniment/database';
import type { Kysely } from 'kysely';
import type { Test } from 'tap';

/** A pool of a test database. It closes with the test. */
export function connect(t: Test, url: string): Kysely<Record<never, never>> {
  const { db } = createDatabase<Record<never, never>>({
    url,
    applicationName: 'security-test',
    poolMax: 4,
  });
  t.teardown(() => db.destroy());
  return db;
}
