import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import type { Client } from '../../packages/api-client/src/index.ts';
import { PASSWORD, startFleet, type Fleet } from './fleet.ts';
import { findProcess, kill } from './processes.ts';
import { openDatabase } from './stores.ts';

interface Received {
  headers: Record<string, string>;
  body: string;
}

interface Receiver {
  host: string;
  received: Received[];
  /** The status of the next answers. */
  status: number;
}

/** A customer's endpoint. */
async function startReceiver(t: Test): Promise<Receiver> {
  const receiver: Receiver = { host: '', received: [], status: 204 };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      if (receiver.status < 300)
        receiver.received.push({ headers: request.headers as Record<string, string>, body });
      response.writeHead(receiver.status).end();
    })().catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  receiver.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return receiver;
}

/** As Standard Webhooks 1.0.0 has it. */
const signatureOf = (secret: string, headers: Record<string, string>, body: string): string => {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
};

/** A client of a new administrator. */
async function signUpAdministrator(t: Test, fleet: Fleet): Promise<Client> {
  const { user } = await fleet.signUp();
  const rows = await openDatabase(t, fleet);
  await rows("update identity.users set type = 'admin' where id = $1", [user.id]);
  const client = fleet.client();
  await client.logIn({ email: user.email, password: PASSWORD });
  return client;
}

test('a webhook gets every event of the fleet, whichever replica delivers', async (t) => {
  const receiver = await startReceiver(t);
  const fleet = await startFleet(t, {
    DURABLE: 'off',
    WEBHOOK_ALLOW: receiver.host,
    WEBHOOK_LEASE_TTL_MS: '1000',
  });
  const { webhooks } = (await signUpAdministrator(t, fleet)).api;
  const made = await webhooks.createWebhook({
    body: { url: `http://${receiver.host}/hook`, actions: ['USER_UPDATED'] },
  });
  const { id, secret } = made.data;
  const tested = await webhooks.testWebhook({ path: { id } });
  t.match(tested.data, { delivered: true, status: 204 });
  receiver.received.length = 0;

  const ada = await fleet.signUp();
  const client = fleet.client({ apiToken: ada.token });
  for (let change = 0; change < 12; change += 1) {
    // The first deliveries are refused and tried again; then a replica dies, and the other.
    receiver.status = change < 3 ? 503 : 204;
    if (change === 5) kill((await findProcess(fleet, 'audit-1')).pid);
    if (change === 9) kill((await findProcess(fleet, 'audit-2')).pid);
    await client.api.account.updateProfile({ body: { name: `name ${change}` } });
  }
  const trail = async () =>
    (await fleet.trail(ada.token)).filter(({ action }) => action === 'USER_UPDATED');
  // Both audit replicas may be starting again.
  await until(async () => (await trail().catch(() => [])).length === 12, {
    what: 'the trail',
    timeoutMs: 60_000,
  });
  const wanted = (await trail()).map((entry) => entry.id);
  const got = (): string[] => [
    ...new Set(receiver.received.map(({ headers }) => headers['webhook-id'] ?? '')),
  ];
  await until(() => got().length >= wanted.length, {
    what: 'every event to arrive',
    timeoutMs: 60_000,
  });
  t.strictSame(new Set(got()), new Set(wanted));
  for (const { headers, body } of receiver.received) {
    t.equal(headers['webhook-signature'], signatureOf(secret, headers, body));
    t.match(JSON.parse(body), { type: 'audit.USER_UPDATED', data: { id: headers['webhook-id'] } });
  }
});
