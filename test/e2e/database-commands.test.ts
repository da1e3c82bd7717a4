import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { timeBound, until, type Rows } from '@muniment/testing';
import { createPerson } from '../../scripts/seeding/people.ts';
import { runScript, startFleet, type Fleet } from './fleet.ts';
import { openDatabase, trailGaps } from './stores.ts';

const ROOT = join(import.meta.dirname, '../..');
const SEED = 7;
const USERS = 12;
const PEOPLE = Array.from({ length: USERS }, (_, index) => createPerson(SEED, index + 1));
const VENDORS = PEOPLE.filter(({ type }) => type === 'vendor');

interface Run {
  code: number | null;
  output: string;
}

/** Runs a command as its make target does. */
async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Run> {
  const [script = '', ...words] = args;
  const child = spawn(process.execPath, [join(ROOT, script), ...words], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}

const MIGRATION = 'scripts/commands/migration.ts';
const SEEDING = 'scripts/commands/seed.ts';

let fleet: Fleet;
let rows: Rows;

/** Exports the whole trail and verifies it offline. */
async function verify(t: Test): Promise<Run> {
  const { dataDir } = fleet;
  const made = await runScript('scripts/admin.ts', { DATA: dataDir, EMAIL: 'root@example.com' });
  const token = /token +(\S+)/.exec(made)?.[1] ?? '';
  await until(async () => (await trailGaps(rows)).length === 0, {
    what: 'the trail is complete',
    timeoutMs: timeBound(20_000),
  });
  const folder = t.testdir({});
  const file = join(folder, 'trail.ndjson');
  // The newest events are in the export once a checkpoint covers them.
  return until(
    async () => {
      const answer = await fleet.call('GET', '/api/audit/export?format=ndjson', { token });
      await writeFile(file, new Uint8Array(await answer.arrayBuffer()));
      const verified = await run(
        ['packages/audit-verify/src/cli.ts', '--key', join(dataDir, 'audit-key.pub'), file],
        {},
      );
      return verified.code === 0 && verified;
    },
    { what: 'the export is proven', timeoutMs: timeBound(20_000) },
  );
}

const isSeeded = `email_key like '%@seed-${SEED}.example'`;

async function countAll(): Promise<unknown> {
  const [counts] = await rows(
    `select (select count(*)::int from identity.users where ${isSeeded}) as users,
       (select count(*)::int from files.files where status = 'ready') as files,
       (select count(*)::int from identity.vendor_profiles) as profiles,
       (select count(*)::int from identity.sessions) as sessions`,
  );
  return counts;
}

test('the commands of seed 003, on a running fleet', async (t) => {
  const started = await startFleet(t, { REPLICAS: '1', DURABLE: 'off' });
  fleet = started;
  rows = await openDatabase(t, fleet);
  const DATA = fleet.dataDir;

  await t.test('down is refused outside development, and says which switch', async (t) => {
    const before = await run([MIGRATION, 'status'], { DATA });
    t.match(before.output, /\d+ migrations, 0 pending/);
    const refused = await run([MIGRATION, 'down'], { DATA });
    t.equal(refused.code, 1);
    t.match(refused.output, /development only.*make dev.*MIGRATION_DOWN=on.*Nothing is reverted/);
    t.equal((await run([MIGRATION, 'status'], { DATA })).output, before.output);
  });

  await t.test('down reverts the last migration in development, and up applies it', async (t) => {
    // Of a fleet that make dev started, the same file says so.
    const development = join(DATA, 'as-dev');
    await mkdir(development);
    const facts = JSON.parse(await readFile(join(DATA, 'fleet.json'), 'utf8'));
    t.equal(facts.development, false);
    const text = JSON.stringify({ ...facts, development: true });
    await writeFile(join(development, 'fleet.json'), text);
    const reverted = await run([MIGRATION, 'down'], { DATA: development });
    const name = /^reverted (\w+\/\w+)$/m.exec(reverted.output)?.[1] ?? '';
    t.equal(reverted.code, 0, reverted.output);
    const pending = await run([MIGRATION, 'status'], { DATA });
    t.match(pending.output, new RegExp(`^${name} +pending`, 'm'));
    const applied = await run([MIGRATION, 'up'], { DATA });
    t.equal(applied.output, `applied ${name}\n`);
    const owners = await rows(
      `select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('audit', 'files', 'identity', 'shared', 'migrations')
         and pg_get_userbyid(c.relowner) = 'postgres'`,
    );
    t.strictSame(owners, [], 'migrator owns what it made');
  });

  await t.test('seeded data is whole, and its trail is proven', async (t) => {
    const seeded = await run([SEEDING, 'up'], { DATA, USERS: `${USERS}`, SEED: `${SEED}` });
    t.equal(seeded.code, 0, seeded.output);
    t.match(seeded.output, `seed ${SEED}: made ${USERS} users, ${VENDORS.length} vendor profiles`);
    t.match(seeded.output, `password in ${join(DATA, 'secrets/demo-password')}`);
    t.strictSame(
      (await rows<{ email: string }>(`select email from identity.users where ${isSeeded}`))
        .map(({ email }) => email)
        .sort(),
      PEOPLE.map(({ email }) => email).sort(),
      'who they are depends on the seed alone',
    );
    const files = await rows<{ name: string; sha256: string; mime_type: string }>(
      `select name, sha256, mime_type from files.files where status = 'ready'`,
    );
    t.ok(files.length > USERS / 2);
    const [document] = PEOPLE.flatMap(({ documents }) => documents);
    const { name = '', type, render } = document ?? {};
    const sha256 = createHash('sha256')
      .update(render?.() ?? '')
      .digest('hex');
    t.match(
      files.filter((file) => file.sha256 === sha256),
      [{ name, sha256, mime_type: type }],
      'and so do their files',
    );
    const profiles = await rows<{ name: string }>(
      'select business_name as name from identity.vendor_profiles',
    );
    t.strictSame(
      new Set(profiles.map(({ name: company }) => company)),
      new Set(VENDORS.map(({ company }) => company?.business_name)),
      'and what vendors say of their companies',
    );
    t.match((await verify(t)).output, 'proven');
  });

  await t.test('seeding again makes no doubles and no events', async (t) => {
    const before = await countAll();
    const again = await run([SEEDING, 'up'], { DATA, USERS: `${USERS}`, SEED: `${SEED}` });
    t.equal(again.code, 0, again.output);
    t.match(again.output, `${USERS} of ${USERS} users are complete`);
    t.match(again.output, 'made 0 users, 0 vendor profiles and 0 files');
    t.strictSame(await countAll(), before);
  });

  await t.test('what an interrupted seeding left out is made', async (t) => {
    const before = await countAll();
    const [lost] = await rows<{ id: string }>(
      `update files.files set status = 'deleted', deleted_at = now()
       where id = (select id from files.files where status = 'ready' limit 1) returning id`,
    );
    t.ok(lost);
    const again = await run([SEEDING, 'up'], { DATA, USERS: `${USERS}`, SEED: `${SEED}` });
    t.match(again.output, 'made 0 users, 0 vendor profiles and 1 files');
    t.match(await countAll(), { files: (before as { files: number }).files });
  });

  await t.test('seed-down deletes users and files, and the trail stays proven', async (t) => {
    const removed = await run([SEEDING, 'down'], { DATA, SEED: `${SEED}` });
    t.equal(removed.code, 0, removed.output);
    t.match(removed.output, `${USERS} of ${USERS} users deleted`);
    await until(
      async () =>
        (await rows(`select from files.files where status = 'ready'`)).length === 0 &&
        (await rows('select from shared.erasures where not (files_done and audit_done)')).length ===
          0,
      { what: 'the erasures are done', timeoutMs: timeBound(20_000) },
    );
    t.match(await countAll(), { users: 0, files: 0 });
    t.match((await verify(t)).output, 'proven');
    t.equal(
      (await rows(`select from audit.events where action = 'SIGNUP_SUCCESS'`)).length,
      USERS,
      'it tells that they were there',
    );
  });
});
