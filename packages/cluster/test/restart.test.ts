import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { readState } from '../src/fleet/supervisor/state.ts';
import { freePort } from '../src/free-port.ts';
import { runCommand } from './fleet/run-command.ts';
import { folder } from './fleet/fake-fleet.ts';

test(
  'make up with other settings restarts the fleet and loses nothing acknowledged',
  { timeout: 110_000 },
  async (t) => {
    const data = folder(t);
    const env = {
      DATA: data,
      PORT: String(await freePort()),
      TLS_PORT: '0',
      REPLICAS: '1',
      LIMITS: 'off',
    };
    t.teardown(() => runCommand('down.ts', env));
    const origin = `http://127.0.0.1:${env.PORT}`;
    const first = await runCommand('up.ts', env);
    t.equal(first.code, 0, first.output);

    const password = 'correct horse battery';
    const post = (route: string, email: string): Promise<number> =>
      fetch(`${origin}${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify({ email, password }),
      }).then(
        async (response) => (await response.arrayBuffer(), response.status),
        () => 0,
      );
    const acknowledged: string[] = [];
    let refused = 0;
    let running = true;
    // Two clients, so that a request is always under way while gateway, replica and database stop.
    const clients = [1, 2].map(async (client) => {
      for (let n = 1; running; n++) {
        const email = `ada-${client}-${n}@example.com`;
        if ((await post('/api/users/register', email)) === 201) acknowledged.push(email);
        else refused += 1;
        await sleep(50);
      }
    });
    await until(() => acknowledged.length >= 5);
    const before = acknowledged.length;
    const again = await runCommand('up.ts', { ...env, REPLICAS: '2' });
    t.equal(again.code, 0, again.output);
    await until(() => acknowledged.length >= before + 5);
    running = false;
    await Promise.all(clients);

    t.match(
      again.output,
      /settings have changed \(replicas 1, now 2\)[^]*stopping the running fleet[^]*starting 2 replicas each[^]*up after/,
    );
    t.equal(readState(data)?.processes.filter(({ service }) => service === 'user').length, 2);
    t.ok(refused > 0, 'there was a pause');
    const lost: string[] = [];
    for (const email of acknowledged)
      if ((await post('/api/users/login', email)) !== 200) lost.push(email);
    t.same(lost, [], `${acknowledged.length} registrations`);
  },
);
