import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createTransport } from 'nodemailer';
import { test, type Test } from 'tap';
import { readState } from '../src/fleet/supervisor/state.ts';
import { freePort } from '../src/free-port.ts';
import { processesOf } from '../src/postgres/stale-postgres.ts';
import { runCommand, runningFrom } from './fleet/run-command.ts';
import { folder } from './fleet/fake-fleet.ts';

/** The printed lines for a shell. */
function tryOut(output: string): string {
  return /Try it\..*\n([^]*?)\n\n/.exec(output)?.[1] ?? 'exit 1';
}

interface Described {
  processes: { service: string; port: number }[];
  kinesis: { endpoint: string };
  mail: { page: string; smtp: string };
  environments: Record<'user' | 'file' | 'audit', { METRICS_TOKEN_FILE: string }>;
}

/** What another user of this machine gets at the fleet's ports. */
async function checkClosedPorts(t: Test, fleet: Described): Promise<void> {
  for (const { service, port } of fleet.processes) {
    if (service !== 'user' && service !== 'file' && service !== 'audit') continue;
    const metrics = `http://127.0.0.1:${port}/metrics`;
    t.equal((await fetch(metrics)).status, 401, `metrics of ${service}`);
    const token = readFileSync(fleet.environments[service].METRICS_TOKEN_FILE, 'utf8').trimEnd();
    const scrape = await fetch(metrics, { headers: { authorization: `Bearer ${token}` } });
    t.equal(scrape.status, 200, `metrics of ${service}, with the token`);
    t.equal((await fetch(`http://127.0.0.1:${port}/health/ready`)).status, 200);
  }
  t.equal((await fetch(fleet.mail.page)).status, 401, 'the page of the mails');
  const listStreams = await fetch(fleet.kinesis.endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'Kinesis_20131202.ListStreams',
    },
    body: '{}',
  });
  t.match(await listStreams.json(), { __type: 'MissingAuthenticationTokenException' });
  const { host } = new URL(fleet.mail.smtp);
  const stranger = createTransport({ url: `smtp://${host}` });
  await t.rejects(stranger.sendMail({ from: 'a@b.co', to: 'c@d.co', text: 'x' }), {
    message: / 530 /,
  });
}

test(
  'the fleet comes up, explains itself, keeps its data over kill -9 of everything, goes down',
  { timeout: 110_000 },
  async (t) => {
    const parent = folder(t);
    const data = path.join(parent, 'a fleet');
    const env = {
      DATA: data,
      PORT: String(await freePort()),
      TLS_PORT: String(await freePort()),
      ENV_FILE: path.join(parent, '.env'),
    };
    writeFileSync(env.ENV_FILE, 'REPLICAS=1\nPORT=1\nPRODUCT_NAME="The Archive"\n');
    t.teardown(() => runCommand('down.ts', env));
    const account = { email: 'ada@example.com', password: 'correct horse battery' };
    const post = (route: string): Promise<Response> =>
      fetch(`http://localhost:${env.PORT}${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(account),
      });

    const first = await runCommand('up.ts', env);
    t.equal(first.code, 0, first.output);
    t.match(
      first.output,
      new RegExp(
        `Muniment is up after [^]*http://localhost:${env.PORT}[^]*` +
          'mails +http://localhost:\\d+ [^]*curl [^]*make down',
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
      environments: { user: { PRODUCT_NAME: 'The Archive' } },
      gateway: { http: `http://localhost:${env.PORT}`, https: `https://localhost:${env.TLS_PORT}` },
      s3: { bucket: 'muniment-files' },
      kinesis: { stream: 'audit-events' },
    });
    const tried = spawnSync('sh', ['-e'], { input: tryOut(first.output), encoding: 'utf8' });
    t.equal(tried.status, 0, tried.stderr);
    t.match(tried.stdout, /ada@example\.com[^]*hello\.txt[^]*hello, muniment\s+\[/);

    const again = await runCommand('up.ts', env);
    t.equal(again.code, 0);
    t.match(again.output, /already running/);
    t.same(
      JSON.parse(readFileSync(path.join(data, 'fleet.json'), 'utf8')),
      fleet,
      'nothing restarted',
    );
    t.match(await runCommand('status.ts', env), {
      code: 0,
      output: /user-1 .* yes [^]*mails that the fleet sends: http:\/\/localhost:\d+/,
    });
    const password = readFileSync(fleet.mail.passwordFile, 'utf8').trimEnd();
    const authorization = `Basic ${btoa(`${fleet.mail.user}:${password}`)}`;
    const mails = await fetch(`${fleet.mail.page}/api/messages`, { headers: { authorization } });
    t.strictSame(await mails.json(), []);
    await checkClosedPorts(t, fleet);
    const origin = `http://127.0.0.1:${env.PORT}`;
    const missing = await fetch(`${fleet.gateway.http}/nothing`, { headers: { origin } });
    t.equal(missing.headers.get('access-control-allow-origin'), origin, 'under its other name');

    const other = await runCommand('up.ts', { ...env, DATA: `${data} 2` });
    t.equal(other.code, 1);
    t.match(
      other.output,
      new RegExp(`Port ${env.PORT} .* is taken by process \\d+ \\(nginx: master`),
    );

    const state = readState(data)!;
    for (const pid of [state.supervisor.pid, ...state.processes.map((process) => process.pid!)])
      process.kill(pid, 'SIGKILL');
    t.match(await runCommand('status.ts', env), { code: 1, output: /the supervisor is gone/ });
    const after = await runCommand('up.ts', env);
    t.equal(after.code, 0, after.output);
    t.equal(
      (await post('/api/users/login')).status,
      200,
      'the acknowledged account is still there',
    );

    const down = await runCommand('down.ts', env);
    t.match(down, { code: 0, output: /the fleet is down/ });
    t.same(runningFrom(data), []);
    t.same(processesOf(path.join(data, 'postgres')), []);
    t.notOk(existsSync(path.join(data, 'fleet.json')));
    t.match(await runCommand('down.ts', env), { code: 0, output: /no fleet runs/ });
  },
);
