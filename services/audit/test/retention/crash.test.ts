import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import { test, type Test } from 'tap';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { createDatabase } from '@muniment/database';
import { findArchive } from '../../retention/archive-queries.ts';
import { restoreMonth } from '../../retention/restore.ts';
import { retain, type RetentionOptions } from '../../retention/retention.ts';
import {
  announced,
  APRIL,
  MARCH,
  objectsOf,
  openArchiveTest,
  type ArchiveTest,
} from './archive.ts';

class Killed extends Error {}

/** Counts calls to PostgreSQL and S3, and dies at one: before it, or after its effect. */
function mortal(
  limit: number,
  when: 'before' | 'after',
): { around<Answer>(call: () => Promise<Answer>): Promise<Answer>; calls(): number } {
  let calls = 0;
  return {
    async around(call) {
      calls += 1;
      // Who was killed does nothing more, not even what would clean up.
      if (calls > limit || (calls === limit && when === 'before')) throw new Killed();
      const answer = await call();
      if (calls === limit) throw new Killed();
      return answer;
    },
    calls: () => calls,
  };
}

type Life = ReturnType<typeof mortal>;

function mortalDatabase<DB>(
  t: Test,
  url: string,
  life: Life,
): { db: Kysely<DB>; end(): Promise<void> } {
  const { pool } = createDatabase<DB>({ url, applicationName: 'mortal', poolMax: 1 });
  const mortalPool = {
    async connect() {
      const client = await pool.connect();
      let broken = false;
      return {
        query: async (...args: [string, unknown[]]) =>
          life
            .around(() => client.query(...args))
            .catch((error: unknown) => {
              broken ||= error instanceof Killed;
              throw error;
            }),
        // A killed process loses its connection, so uncommitted work is rolled back.
        release: () => client.release(broken),
      };
    },
    end: () => pool.end(),
  } as unknown as PostgresPool;
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool: mortalPool }) });
  t.teardown(() => pool.end().catch(() => {}));
  return { db, end: () => pool.end() };
}

/** Runs work of which each call may be the last. @returns whether it lived to its end */
async function live(
  t: Test,
  log: ArchiveTest,
  life: Life,
  work: (options: RetentionOptions) => Promise<unknown>,
): Promise<boolean> {
  const service = mortalDatabase<never>(t, log.database.url('audit_service'), life);
  const retention = mortalDatabase<unknown>(t, log.database.url('audit_retention'), life);
  const send = log.bucket.client.send.bind(log.bucket.client) as (
    ...args: unknown[]
  ) => Promise<unknown>;
  const client = new Proxy(log.bucket.client, {
    get: (target, name) =>
      name === 'send'
        ? (...args: unknown[]) => life.around(() => send(...args))
        : (Reflect.get(target, name) as unknown),
  });
  try {
    await work({
      ...log.options,
      db: service.db as never,
      retentionDb: retention.db,
      bucket: { ...log.bucket, client },
      replica: 'mortal',
      leaseTtlMs: 1,
    });
    return true;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return false;
  } finally {
    await service.end();
    await retention.end();
  }
}

async function openUploads({ bucket }: ArchiveTest): Promise<number> {
  return (
    (await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ??
    []
  ).length;
}

const patient = { leaseTtlMs: 60_000 };

for (const when of ['before', 'after'] as const) {
  test(`killed ${when} any of its calls, retention loses nothing and reports once`, async (t) => {
    let lived = false;
    let deaths = 0;
    for (let limit = 1; !lived; limit += 1) {
      const log = await openArchiveTest(t);
      const events = await log.log(MARCH, 5);
      await log.superuser.query('drop table audit.events_2025_04');
      await log.sign();
      lived = await live(t, log, mortal(limit, when), (options) =>
        retain({ ...options, ...patient }),
      );
      if (!lived) deaths += 1;
      const archive = await findArchive(log.db, MARCH);
      const rows = await log.rowsOf(MARCH);
      t.ok(
        rows.length === 5 || (archive?.dropped_at && (await log.bucket.get(archive.object_key))),
        `call ${limit}: the events are in the database, or in the bucket and on record`,
      );
      // As the time does: the lease of the dead runs out.
      await log.superuser.query(
        "update audit.leases set expires_at = now() where name = 'retention'",
      );
      await retain(log.options);
      t.same(await log.rowsOf(MARCH), [], `call ${limit}: the next one ends it`);
      t.same(
        await announced(log.superuser),
        [{ action: 'LOG_ARCHIVED', resource: MARCH }],
        `call ${limit}`,
      );
      t.ok(
        (await objectsOf(log.bucket)).includes(
          (await findArchive(log.db, MARCH))?.object_key ?? '',
        ),
      );
      t.equal(await openUploads(log), 0, `call ${limit}: no upload is left open`);
      t.equal(
        (await restoreMonth(log.options, MARCH, 1)).rows,
        events.length,
        `call ${limit}: and all comes back`,
      );
      await log.db.destroy();
      await log.retentionDb.destroy();
    }
    t.ok(deaths >= 15, `it died ${deaths} deaths`);
  });
}

test('killed after any of its calls, a restore can be run again', async (t) => {
  let lived = false;
  let deaths = 0;
  for (let limit = 1; !lived; limit += 1) {
    const log = await openArchiveTest(t);
    await log.log(MARCH, 5);
    await log.sign();
    const before = (await log.rowsOf(MARCH)).map(({ record }) => record);
    await retain(log.options);
    lived = await live(t, log, mortal(limit, 'after'), (options) =>
      restoreMonth({ ...options, ...patient }, MARCH, 30),
    );
    if (!lived) deaths += 1;
    await log.superuser.query(
      "update audit.leases set expires_at = now() where name = 'retention'",
    );
    if ((await log.rowsOf(MARCH)).length === 0) await restoreMonth(log.options, MARCH, 30);
    await retain(log.options);
    t.same(
      (await log.rowsOf(MARCH)).map(({ record }) => record),
      before,
      `call ${limit}`,
    );
    t.same(
      (await announced(log.superuser))
        .filter(({ resource }) => resource !== APRIL)
        .map(({ action }) => action),
      ['LOG_ARCHIVED', 'LOG_RESTORED'],
      `call ${limit}`,
    );
    const { rows } = await log.superuser.query(
      "select relname from pg_class where relname ~ '^restore_' and relkind = 'r'",
    );
    t.same(rows, [], 'nothing is left beside the log');
    await log.db.destroy();
    await log.retentionDb.destroy();
  }
  t.ok(deaths >= 8, `it died ${deaths} deaths`);
});
