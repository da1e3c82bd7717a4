import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { readState } from '../src/fleet/supervisor/state.ts';
import { freePort } from '../src/free-port.ts';
import { processesOf } from '../src/postgres/stale-postgres.ts';
import { command, left } from './fleet/run-command.ts';
import { folder } from './fleet/fake-fleet.ts';

test(
  'the fleet comes up, says what it is, survives kill -9 of everything with its data, and goes down',
  { timeout: 110_000 },
  async (t) => {
    const data = path.join(folder(t), 'a fleet');
    const env = {
      DATA: data,
      PORT: String(await freePort()),
      TLS_PORT: String(await freePort()),
      REPLICAS: '1',
    };
    t.teardown(() => command('down.ts', env));
    const account = { email: 'ada@example.com', password: 'correct horse battery' };
    const post = (route: string): Promise<Response> =>
      fetch(`http://localhost:${env.PORT}${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(account),
      });

    const first = await command('up.ts', env);
    t.equal(first.code, 0, first.output);
    t.match(
      first.output,
      new RegExp(
        `Muniment is up after [^]*http://localhost:${env.PORT}[^]*mails +http://localhost:\\d+ [^]*curl [^]*make down`,
      ),
    );
    const fleet = JSON.parse(readFileSync(path.join(data, 'fleet.json'), 'utf8'));
    t.same(fleet.processes.map(({ service }: { service: string }) => service).toSorted(), [
      'audit',
      'file',
      'kinesis',
      'mail',
      'nginx',
      'postgres',
      's3',
      'user',
    ]);
    t.match(fleet, {
      gateway: { http: `http://localhost:${env.PORT}`, https: `https://localhost:${env.TLS_PORT}` },
      s3: { bucket: 'muniment-files' },
      kinesis: { stream: 'audit-events' },
    });
    t.equal((await post('/api/users/register')).status, 201);

    const again = await command('up.ts', env);
    t.equal(again.code, 0);
    t.match(again.output, /already running/);
    t.same(
      JSON.parse(readFileSync(path.join(data, 'fleet.json'), 'utf8')),
      fleet,
      'nothing was restarted',
    );
    t.match(await command('status.ts', env), {
      code: 0,
      output: /user-1 .* yes [^]*mails that the fleet sends: http:\/\/localhost:\d+/,
    });
    t.strictSame(await (await fetch(`${fleet.mail.page}/api/messages`)).json(), []);

    const other = await command('up.ts', { ...env, DATA: `${data} 2` });
    t.equal(other.code, 1);
    t.match(
      other.output,
      new RegExp(`port ${env.PORT} .* is taken by process \\d+ \\(nginx: master`),
    );

    const state = readState(data)!;
    for (const pid of [state.supervisor.pid, ...state.processes.map((process) => process.pid!)])
      process.kill(pid, 'SIGKILL');
    t.match(await command('status.ts', env), { code: 1, output: /the supervisor is gone/ });
    const after = await command('up.ts', env);
    t.equal(after.code, 0, after.output);
    t.equal((await post('/api/users/login')).status, 200, 'what was acknowledged is there');

    const down = await command('down.ts', env);
    t.match(down, { code: 0, output: /the fleet is down/ });
    t.same(left(data), []);
    t.same(processesOf(path.join(data, 'postgres')), []);
    t.notOk(existsSync(path.join(data, 'fleet.json')));
    t.match(await command('down.ts', env), { code: 0, output: /no fleet runs/ });
  },
);
