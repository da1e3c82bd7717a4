import { readFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { type Test, test } from 'tap';
import { readState } from '../src/fleet/supervisor/state.ts';
import { freePort } from '../src/free-port.ts';
import { runCommand } from './fleet/run-command.ts';
import { folder } from './fleet/fake-fleet.ts';

async function takenPort(t: Test): Promise<string> {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return String(port);
}

test(
  'a make up that cannot succeed leaves the running fleet as it is',
  { timeout: 110_000 },
  async (t) => {
    const data = folder(t);
    const env = { DATA: data, PORT: String(await freePort()), TLS_PORT: '0', REPLICAS: '1' };
    t.teardown(() => runCommand('down.ts', env));
    const first = await runCommand('up.ts', env);
    t.equal(first.code, 0, first.output);
    const pids = (): unknown => readState(data)?.processes.map(({ name, pid }) => [name, pid]);
    const [before, config] = [pids(), path.join(data, 'nginx/nginx.conf')];
    const configBefore = readFileSync(config, 'utf8');

    async function checkRefused(settings: Record<string, string>, reason: RegExp): Promise<void> {
      const { code, output } = await runCommand('up.ts', { ...env, ...settings });
      t.equal(code, 1, JSON.stringify(settings));
      t.match(output, reason);
      t.match(output, /The running fleet was left as it is\.\n$/);
      t.notMatch(output, /stopping the running fleet/);
      t.same(pids(), before, 'no process was restarted');
      t.equal(readFileSync(config, 'utf8'), configBefore);
      t.equal((await fetch(`http://127.0.0.1:${env.PORT}/health`)).status, 200);
    }
    const taken = await takenPort(t);
    for (const name of ['PORT', 'TLS_PORT', 'POSTGRES_PORT', 'S3_PORT', 'MAIL_PORT'])
      await checkRefused({ [name]: taken }, new RegExp(`Port ${taken} .* is taken by process`));
    await checkRefused(
      { TLS_PORT: env.PORT },
      /meant for the gateway and for the gateway with TLS/,
    );
    await checkRefused({ S3_PORT: env.PORT }, /meant for the gateway and for s3/);
    await checkRefused({ LOG_LEVEL: 'deafening' }, /user-1 would not start: .*LOG_LEVEL/);
    await checkRefused({ UPLOAD_BUFFERS: '1' }, /failed: file-1 would not start: .*UPLOAD_BUFFERS/);
    const key = path.join(data, 'secrets/master.key');
    renameSync(key, `${key}.away`);
    await checkRefused({ REPLICAS: '2' }, /master\.key is missing/);
    renameSync(`${key}.away`, key);

    const replica = readState(data)?.processes.find(({ name }) => name === 'user-1');
    const moved = { ...env, PORT: String(replica?.port) };
    const again = await runCommand('up.ts', moved);
    t.equal(again.code, 0, `a port of the fleet itself: ${again.output}`);
    t.equal((await fetch(`http://127.0.0.1:${moved.PORT}/health`)).status, 200);
  },
);
