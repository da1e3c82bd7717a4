import { Client } from 'pg';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { processesOf } from '../../src/postgres/stale-postgres.ts';
import { startPostgres } from '../../src/postgres/start-postgres.ts';

function temporary(t: { teardown(fn: () => void): void }, under = tmpdir()): string {
  const folder = mkdtempSync(path.join(under, 'muniment-postgres-')); // mkdtemp makes it 0700, as a home would be
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function ask(url: string, sql: string): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) =>
      String(row[0]),
    );
  } finally {
    await client.end();
  }
}

test('a test server starts in a 0700 folder without fsync, and stops completely', async (t) => {
  const dataDir = path.join(temporary(t), 'data');
  const server = await startPostgres({ dataDir, durable: false });
  t.match(await ask(server.superuserUrl, 'select version()'), [/^PostgreSQL 18\./]);
  t.same(await ask(server.superuserUrl, 'show fsync'), ['off']);
  await server.stop();
  t.same(processesOf(dataDir), []);
});

test('a durable server has fsync, checks the password, and keeps its rows over SIGKILL', async (t) => {
  const dataDir = path.join(temporary(t), 'data');
  const options = { dataDir, durable: true, password: 'p@ss/word' };
  const first = await startPostgres(options);
  t.same(await ask(first.superuserUrl, 'show fsync'), ['on']);
  await t.rejects(ask(`postgres://postgres:wrong@127.0.0.1:${first.port}/postgres`, 'select 1'), {
    code: '28P01',
  });
  await ask(first.superuserUrl, 'create table kept (n int)');
  await ask(first.superuserUrl, 'insert into kept values (42)');
  for (const pid of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
  const second = await startPostgres(options);
  t.teardown(() => second.stop());
  t.same(await ask(second.superuserUrl, 'select n from kept'), ['42']);
});

test('backends that outlive a killed postmaster do not block the next one', async (t) => {
  const dataDir = path.join(temporary(t), 'data');
  const first = await startPostgres({ dataDir, durable: false });
  const [postmaster, ...others] = processesOf(dataDir).toSorted((a, b) => a - b);
  if (postmaster === undefined)
    throw new Error('no postmaster: and kill(0) would be this very process group');
  t.ok(others.length > 0);
  // The worst case: a stopped backend cannot notice that its postmaster died.
  for (const pid of others) process.kill(pid, 'SIGSTOP');
  process.kill(postmaster, 'SIGKILL');
  const second = await startPostgres({ dataDir, durable: false, port: first.port });
  t.teardown(() => second.stop());
  t.same(await ask(second.superuserUrl, 'select 1'), ['1']);
});

test('the server ends with its parent, even when that is killed', async (t) => {
  const dataDir = path.join(temporary(t), 'data');
  const source = path.join(import.meta.dirname, '../../src/postgres/start-postgres.ts');
  const script = `const { startPostgres } = await import(${JSON.stringify(source)}); await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, durable: false }); console.log('up'); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => parent.stdout.once('data', resolve));
  t.ok(processesOf(dataDir).length > 0);
  parent.kill('SIGKILL');
  for (let waited = 0; processesOf(dataDir).length > 0 && waited < 5000; waited += 50)
    await sleep(50);
  t.same(processesOf(dataDir), []);
});

test('a start on a taken port fails with the last log lines', async (t) => {
  const first = await startPostgres({ dataDir: path.join(temporary(t), 'data'), durable: false });
  t.teardown(() => first.stop());
  const second = startPostgres({
    dataDir: path.join(temporary(t), 'data'),
    durable: false,
    port: first.port,
  });
  await t.rejects(second, { name: 'FleetError', message: /Address already in use/ });
});
