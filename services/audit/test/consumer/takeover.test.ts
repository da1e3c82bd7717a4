import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { freePort } from '@muniment/cluster';
import { SCRAPE, serviceEnvironment, timeBound, until } from '@muniment/testing';
import {
  STREAM,
  allStored,
  recordMany,
  startParts,
  storedIds,
  watermarks,
  type Parts,
} from '../parts.ts';

const SERVER = join(import.meta.dirname, '../../server.ts');

interface Replica {
  process: ChildProcess;
  name: string;
  port: number;
}

/** A real replica in a process of its own. */
async function spawnReplica(t: Test, parts: Parts, name: string): Promise<Replica> {
  const auditKeyFile = join(t.testdirName, `${name}.audit-key`);
  await writeFile(auditKeyFile, parts.auditKey.signingKey);
  const port = await freePort();
  const process_ = spawn(process.execPath, [SERVER], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH,
      ...(await serviceEnvironment(t, {
        databaseUrl: parts.database.url('audit_service'),
        masterKey: parts.masterKeyText,
      })),
      PORT: String(port),
      REPLICA: name,
      AUDIT_KEY_FILE: auditKeyFile,
      KINESIS_ENDPOINT: parts.kinesis.endpoint,
      KINESIS_STREAM: STREAM,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
  });
  t.teardown(async () => {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    process_.kill('SIGKILL');
    await once(process_, 'exit');
  });
  return { process: process_, name, port };
}

const owners = async ({ db }: Parts): Promise<string[]> =>
  (
    await sql<{ owner: string }>`
  select distinct split_part(owner, '/', 1) as owner from audit.shards
  where expires_at > clock_timestamp() order by 1`.execute(db)
  ).rows.map(({ owner }) => owner);

const epochs = async ({ db }: Parts): Promise<number[]> =>
  (await db.selectFrom('audit.shards').select('epoch').orderBy('shard_id').execute()).map(
    ({ epoch }) => epoch,
  );

test("a killed replica's shards are taken over within 10 s without a loss", async (t) => {
  t.testdir();
  const parts = await startParts(t, { shards: 2 });
  parts.relay().start();
  const victim = await spawnReplica(t, parts, 'victim');
  await until(async () => (await owners(parts))[0] === 'victim');
  const ids = await recordMany(parts, 20);
  await allStored(parts, 20);
  const survivor = await spawnReplica(t, parts, 'survivor');
  await until(async () => (await owners(parts)).length === 2);

  victim.process.kill('SIGKILL');
  const killedAt = performance.now();
  ids.push(...(await recordMany(parts, 60)));
  await allStored(parts, 80, 12_000);
  const took = performance.now() - killedAt;
  t.ok(took < timeBound(10_000), `${Math.round(took)} ms`);
  t.comment(`taken over after ${Math.round(took)} ms`);
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 80 });

  const { status, body } = await fetch(`http://127.0.0.1:${survivor.port}/metrics`, {
    headers: SCRAPE.headers,
  }).then(async (answer) => ({ status: answer.status, body: await answer.text() }));
  t.equal(status, 200);
  t.match(body, /^muniment_consumer_shards\{service="audit"\} 2$/m);
  survivor.process.kill('SIGTERM');
  t.same(await once(survivor.process, 'exit'), [0, null], 'an ordered stop');
  t.same(await owners(parts), [], 'gives the shards up');
});

test('a suspended replica cannot write beside its successor, and rejoins', async (t) => {
  t.testdir();
  const parts = await startParts(t, { shards: 1 });
  parts.relay().start();
  const zombie = await spawnReplica(t, parts, 'zombie');
  await until(async () => (await owners(parts))[0] === 'zombie');
  const ids = await recordMany(parts, 10);
  await allStored(parts, 10);

  zombie.process.kill('SIGSTOP');
  ids.push(...(await recordMany(parts, 10)));
  await spawnReplica(t, parts, 'successor');
  await until(async () => (await owners(parts))[0] === 'successor');
  await allStored(parts, 20);
  const [epoch] = await epochs(parts);
  zombie.process.kill('SIGCONT');
  ids.push(...(await recordMany(parts, 10)));
  await allStored(parts, 30);
  t.same(await owners(parts), ['successor']);
  t.same(await epochs(parts), [epoch], 'the zombie has not taken it back');
  t.same(await storedIds(parts.db), ids.toSorted());
  t.same(await watermarks(parts), { whole: true, numbers: 30 });
});
