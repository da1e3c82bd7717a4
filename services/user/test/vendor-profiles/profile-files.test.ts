import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tap, { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { build, type SignedIn } from '../build.ts';
import { createVendors } from './vendors.ts';

// The discard port: nothing listens there.
const server = await build(tap, { FILE_SERVICE_URLS: 'http://127.0.0.1:9,http://127.0.0.1:9' });
const { newUser, newProfile, newPrivileged } = createVendors(server);
const { rows } = server;

/** A file as an upload leaves it. */
async function newFile({ user }: SignedIn, type = 'image/png'): Promise<string> {
  const id = randomUUID();
  await rows(
    `insert into files.files (id, user_id, name, object_key, status, size, mime_type, etag)
     values ($1, $2, 'f', $3, 'ready', 1, $4, '"e"')`,
    [id, user.id, id, type],
  );
  await rows('insert into files.profile_files (file_id) values ($1)', [id]);
  return id;
}

const isClaimed = async (id: string): Promise<boolean> =>
  (
    await rows('select from files.profile_files where file_id = $1 and unclaimed_since is null', [
      id,
    ])
  ).length === 1;

const change = ({ token }: SignedIn, path: string, body: object) =>
  server.call('PATCH', `/api/vendor-profiles/${path}`, { token, body });

test('the id of an own file is accepted on create, update and the route of files', async (t) => {
  const vendor = await newUser();
  const [logo, other, certificate] = [
    await newFile(vendor),
    await newFile(vendor, 'image/webp'),
    await newFile(vendor, 'application/pdf'),
  ];
  const { id } = await newProfile(vendor, { logo });
  t.ok(await isClaimed(logo));
  const changed = await change(vendor, id, { businessRegistrationCertificate: certificate });
  t.match(changed.json(), { logo, business_registration_certificate: certificate });
  const replaced = await change(vendor, `${id}/files`, { logo: other });
  t.equal(replaced.statusCode, 200, replaced.body);
  t.match(replaced.json(), { logo: other, business_registration_certificate: certificate });
  t.strictSame(
    await Promise.all([logo, other, certificate].map(isClaimed)),
    [false, true, true],
    'the replaced one is released',
  );
  const event = (await server.events()).at(-1);
  t.match(event, { id: replaced.headers['audit-event'], action: 'VENDOR_PROFILE_UPDATED' });
  t.strictSame(event?.metadata, { vendor: vendor.user.id, fields: ['logo'] });
  await server.call('DELETE', `/api/vendor-profiles/${id}`, { token: vendor.token });
  t.strictSame(await Promise.all([other, certificate].map(isClaimed)), [false, false], 'deleted');
});

test('a foreign, absent or unfit file is refused, and nothing is claimed', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  const before = await server.events();
  const foreign = await newFile(await newUser());
  for (const [what, body, pointer] of [
    ["another's", { logo: foreign }, '/logo'],
    ['an absent one', { logo: randomUUID() }, '/logo'],
    ['an SVG', { logo: await newFile(vendor, 'image/svg+xml') }, '/logo'],
    ['a PDF as a logo', { logo: await newFile(vendor, 'application/pdf') }, '/logo'],
    [
      "another's certificate",
      { businessRegistrationCertificate: foreign },
      '/businessRegistrationCertificate',
    ],
    ['no id', { logo: 'x' }, '/logo'],
  ] as const) {
    const answer = await change(vendor, `${id}/files`, body);
    t.equal(answer.statusCode, 400, what);
    t.match(answer.json(), { code: 'validation_failed', errors: [{ pointer }] }, what);
  }
  const city = await change(vendor, `${id}/files`, { city: 'Oslo' });
  t.equal(city.statusCode, 400, 'no other field');
  t.notOk(await isClaimed(foreign));
  t.strictSame(
    (await server.events())
      .slice(before.length)
      .map(({ action }) => action)
      .filter((it) => it.startsWith('VENDOR')),
    [],
  );
});

test('a new certificate asks for a new verification, a new logo does not', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  const isVerified = async () =>
    (
      await rows('select is_profile_reverified as is from identity.users where id = $1', [
        vendor.user.id,
      ])
    )[0];
  await rows('update identity.users set is_profile_reverified = true where id = $1', [
    vendor.user.id,
  ]);
  await change(vendor, `${id}/files`, { logo: await newFile(vendor) });
  t.strictSame(await isVerified(), { is: true });
  const certificate = await newFile(vendor, 'application/pdf');
  await change(vendor, `${id}/files`, { business_registration_certificate: certificate });
  t.strictSame(await isVerified(), { is: false });
  t.match((await server.events()).at(-1), { metadata: { reverify: true } });
  await rows('update identity.users set is_profile_reverified = true where id = $1', [
    vendor.user.id,
  ]);
  await change(vendor, `${id}/files`, {
    business_registration_certificate: certificate.toUpperCase(),
  });
  t.strictSame(await isVerified(), { is: true }, 'the same id in capitals');
});

/** @returns the server's URL */
async function listen(t: Test, it: Server): Promise<string> {
  const sockets = new Set<Socket>();
  it.on('connection', (socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(it, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    it.close();
  });
  return `http://127.0.0.1:${(it.address() as AddressInfo).port}`;
}

/** A server that reads and never answers. */
const holding = (sockets: Set<Socket>): Server =>
  createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
  });

const FORM = { 'content-type': 'multipart/form-data; boundary=b' };
const body = [
  '--b\r\nContent-Disposition: form-data; name="business_name"\r\n\r\nAcme\r\n',
  '--b\r\nContent-Disposition: form-data; name="logo"; filename="l.png"\r\n\r\nx\r\n',
  '--b--\r\n',
].join('');

test('without the file service a form gets 503 at once, and nothing is changed', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(await newUser());
  const admin = await newPrivileged('admin');
  const before = await server.events();
  const started = performance.now();
  for (const [method, path, { token }] of [
    ['POST', '', vendor],
    ['PATCH', `/${id}`, admin],
    ['PATCH', `/${id}/files`, admin],
  ] as const) {
    const answer = await server.call(method, `/api/vendor-profiles${path}`, {
      token,
      body,
      headers: FORM,
    });
    t.strictSame([answer.statusCode, answer.json().code], [503, 'file_service_unavailable']);
    t.equal(answer.headers['retry-after'], '1');
  }
  t.ok(performance.now() - started < 3_000, 'quickly');
  t.strictSame(await server.events(), before);
  t.strictSame(
    await rows('select from identity.vendor_profiles where user_id = $1', [vendor.user.id]),
    [],
  );
});

/** A user service in front of a program at the file service's place. */
async function replicaAt(...urls: string[]): Promise<URL> {
  const { context } = await server.replica({ FILE_SERVICE_URLS: urls.join(',') });
  return new URL(await context.http.app.listen({ host: '127.0.0.1', port: 0 }));
}

test('an answer that breaks off or is no JSON is an outage', async (t) => {
  const answers = [
    'HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{"fields":',
    'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>',
  ];
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  for (const answer of answers) {
    const broken = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end(answer));
    });
    const { context } = await server.replica({ FILE_SERVICE_URLS: await listen(t, broken) });
    const got = await context.http.app.inject({
      method: 'PATCH',
      url: `/api/vendor-profiles/${id}/files`,
      headers: { ...FORM, authorization: `Bearer ${vendor.token}` },
      payload: body,
    });
    t.strictSame([got.statusCode, got.json().code], [503, 'file_service_unavailable'], answer);
  }
});

test('a client that leaves while a replica is sought holds none', async (t) => {
  const [silent, found] = [new Set<Socket>(), new Set<Socket>()];
  // Over TLS it accepts, and says nothing.
  const urls = [
    (await listen(t, holding(silent))).replace('http', 'https'),
    await listen(t, holding(found)),
  ];
  const url = await replicaAt(...urls);
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  // Replicas take turns, so one of the two requests comes to the silent one first.
  for (const attempt of [1, 2]) {
    const asked = silent.size + found.size;
    const client = httpRequest({
      port: url.port,
      method: 'PATCH',
      path: `/api/vendor-profiles/${id}/files`,
      headers: { ...FORM, authorization: `Bearer ${vendor.token}` },
    });
    client.on('error', () => undefined).write('--b\r\n');
    await until(() => silent.size + found.size > asked, { what: 'a replica is asked' });
    client.destroy();
    await until(() => found.size === attempt, { what: 'the other one is found' });
  }
  await until(() => [...found].every(({ destroyed }) => destroyed), {
    what: 'the connections are closed',
    timeoutMs: 10_000,
  });
});

test('a form is refused before a byte is forwarded to callers who may not change it', async (t) => {
  const { id } = await newProfile(await newUser());
  const other = await newUser();
  for (const [caller, headers, status] of [
    [other, {}, 403],
    [await newUser('customer'), {}, 403],
    [await newPrivileged('admin'), { 'if-match': '"stale"' }, 412],
  ] as const) {
    const answer = await server.call('PATCH', `/api/vendor-profiles/${id}/files`, {
      token: caller.token,
      body,
      headers: { ...FORM, ...headers },
    });
    t.equal(answer.statusCode, status, answer.body);
  }
  const elsewhere = await server.call('DELETE', `/api/vendor-profiles/${id}`, {
    token: other.token,
    body,
    headers: FORM,
  });
  t.equal(elsewhere.statusCode, 415, 'a route without forms');
});

test('a file is not held: a file service that does not read stops the client', async (t) => {
  const sockets: Socket[] = [];
  const url = await replicaAt(
    await listen(
      t,
      createServer((socket) => sockets.push(socket.pause())),
    ),
  );
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  const client = httpRequest({
    port: url.port,
    method: 'PATCH',
    path: `/api/vendor-profiles/${id}/files`,
    headers: { ...FORM, authorization: `Bearer ${vendor.token}` },
  });
  client.on('error', () => undefined);
  const MIB = 1024 ** 2;
  let sent = 0;
  let moved = performance.now();
  const pump = (): void => {
    while (sent < 64 * MIB) {
      sent += MIB;
      moved = performance.now();
      if (!client.write(Buffer.alloc(MIB))) return void client.once('drain', pump);
    }
  };
  pump();
  await until(async () => performance.now() - moved > 500, { what: 'the client is stopped' });
  t.ok(sent < 32 * MIB, `${sent / MIB} MiB of 64 were taken, most by the kernel`);
  const answered = once(client, 'response');
  await sleep(0);
  for (const socket of sockets) socket.destroy();
  const [answer] = await answered;
  t.equal(answer.statusCode, 503, 'a file service that dies is an outage');
  client.destroy();
});
