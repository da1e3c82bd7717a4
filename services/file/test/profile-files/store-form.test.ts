import { randomUUID } from 'node:crypto';
import tap, { test } from 'tap';
import { until } from '@muniment/testing';
import { build, type TestUser } from '../build.ts';
import { form, upload } from '../forms.ts';

const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg', 'base64');
const PDF = '%PDF-1.7\n%%EOF\n';
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';

const fixture = await build(tap);
const { app, query, events, stored, signIn, callToken } = fixture;
const vendor = await signIn('vendor');

type Part = { name: string; filename?: string; content: Buffer | string };

async function send(token: string | undefined, parts: Part[], headers: object = {}) {
  const body = await form(...parts);
  return app.inject({
    method: 'POST',
    url: '/internal/forms',
    headers: { ...body.headers, ...(token && { authorization: `Bearer ${token}` }), ...headers },
    payload: body.payload,
  });
}

const logo = { name: 'logo', filename: 'logo.png', content: PNG };
const certificate = { name: 'certificate', filename: 'c.pdf', content: PDF };
const uploaded = async () => (await events()).filter(({ action }) => action === 'FILE_UPLOAD');

/** A profile as the user service stores it. */
async function newProfile(owner: TestUser, files: { logo?: string; certificate?: string }) {
  const [row] = await query<{ id: string }>(
    `insert into identity.vendor_profiles
       (id, user_id, business_type, business_name, logo, business_registration_certificate)
     values ($1, $2, 'T', 'T', $3, $4) returning id`,
    [randomUUID(), owner.id, files.logo ?? null, files.certificate ?? null],
  );
  return row?.id ?? '';
}

test('a form becomes files of the owner, with an event each by the caller', async (t) => {
  const admin = await signIn('admin');
  const grant = {
    owner: vendor.id,
    ownerFields: [],
    types: { logo: ['image/png'], certificate: ['application/pdf'] },
  };
  const answer = await send(callToken(admin, { grant }), [logo, certificate]);
  t.equal(answer.statusCode, 201, answer.body);
  const { files } = answer.json();
  t.match(files, [
    { field: 'logo', name: 'logo.png', size: PNG.length },
    { field: 'certificate', name: 'c.pdf' },
  ]);
  t.match(await query('select user_id, mime_type from files.files order by id'), [
    { user_id: vendor.id, mime_type: 'image/png' },
    { user_id: vendor.id, mime_type: 'application/pdf' },
  ]);
  const both = await uploaded();
  t.strictSame(
    both.map((event) => [event.user_id, event.resource, event.request_id, event.personal]),
    files.map(({ id, name }: { id: string; name: string }) => [
      admin.id,
      id,
      'f'.repeat(32),
      { ip: '203.0.113.9', user_agent: 'the client', filename: name },
    ]),
  );
});

test('only the user service is answered, and only for this operation', async (t) => {
  const before = await stored();
  const [head = '', claims = '', signature = ''] = callToken(vendor).split('.');
  const own = vendor.headers.authorization.slice('Bearer '.length);
  const forged = Buffer.from(
    Buffer.from(claims, 'base64url').toString().replace(vendor.id, randomUUID()),
  ).toString('base64url');
  for (const [what, token] of [
    ['no token', undefined],
    ['an access token', own],
    ['another operation', callToken(vendor, { operation: 'other' })],
    ['another service', callToken(vendor, { audience: 'audit' as 'file' })],
    ['changed claims', [head, forged, signature].join('.')],
    ['no signature', [head, claims, ''].join('.')],
  ] as const) {
    const answer = await send(token, [logo]);
    t.strictSame([answer.statusCode, answer.json().code], [401, 'unauthenticated'], what);
  }
  const asUser = await app.inject({
    url: '/api/files',
    headers: { authorization: `Bearer ${callToken(vendor)}` },
  });
  t.equal(asUser.statusCode, 401, 'it is no access token');
  t.strictSame(await stored(), before);
});

test('a session that has ended stores nothing', async (t) => {
  const user = await signIn('vendor');
  const token = callToken(user);
  await query('update identity.sessions set revoked_at = now() where id = $1', [user.sessionId]);
  await query('select pg_notify($1, $2)', ['nobody', '']);
  const answer = await until(
    async () => {
      const sent = await send(token, [logo]);
      return sent.statusCode === 401 && sent;
    },
    { what: 'the revocation is known' },
  );
  t.equal(answer.json().code, 'unauthenticated');
});

test('other types, fields and doubled files are refused and leave nothing', async (t) => {
  const before = [await stored(), await uploaded()];
  for (const [what, status, code, parts] of [
    ['an SVG', 415, 'file_type_refused', [{ ...logo, content: SVG }]],
    ['a PDF as a logo', 415, 'file_type_refused', [{ ...logo, content: PDF }]],
    ['HTML that is called a PNG', 415, 'file_type_refused', [{ ...logo, content: '<html>' }]],
    ['an empty file', 415, 'file_type_refused', [{ ...logo, content: '' }]],
    ['the second of two', 415, 'file_type_refused', [logo, { ...certificate, content: SVG }]],
    ['another field', 400, 'file_unexpected', [{ ...logo, name: 'file' }]],
    ['a member of every object', 400, 'malformed_multipart', [{ ...logo, name: 'valueOf' }]],
    ['two logos', 400, 'too_many_parts', [logo, logo]],
  ] as [string, number, string, Part[]][]) {
    const answer = await send(callToken(vendor), parts);
    t.strictSame([answer.statusCode, answer.json().code], [status, code], what);
  }
  t.strictSame([await stored(), await uploaded()], before);
  t.equal(fixture.files.store.pool.load().lent, 0);
});

test('a retry under its key finds the same file', async (t) => {
  const headers = { 'idempotency-key': 'a'.repeat(43) };
  const first = await send(callToken(vendor), [logo], headers);
  const { length } = await uploaded();
  const again = await send(callToken(vendor), [logo], headers);
  t.equal(again.body, first.body);
  t.equal((await uploaded()).length, length);
  const other = await send(callToken(vendor), [{ ...logo, filename: 'x.png' }], headers);
  t.equal(other.json().code, 'idempotency_key_reused');
});

test('the cleanup takes what no profile names, with an event, and nothing else', async (t) => {
  const owner = await signIn('vendor');
  const own = await upload(app, owner, PNG, 'own.png');
  const { files } = (await send(callToken(owner), [logo, certificate])).json();
  const [kept, lost] = files.map(({ id }: { id: string }) => id) as [string, string];
  await newProfile(owner, { logo: kept });
  await query("update files.profile_files set unclaimed_since = now() - interval '2 days'");
  await fixture.listen();
  await until(
    async () =>
      (await query("select from files.files where id = $1 and status = 'purged'", [lost]))
        .length === 1,
    { what: 'the file is gone' },
  );
  const ready = await query<{ id: string }>(
    "select id from files.files where user_id = $1 and status = 'ready' order by id",
    [owner.id],
  );
  t.strictSame(
    ready.map(({ id }) => id),
    [own.id, kept],
    'named files and uploads stay',
  );
  const deleted = (await events()).filter(({ resource }) => resource === lost).at(-1);
  t.match(deleted, { action: 'FILE_DELETE', user_id: null, metadata: { reason: 'unreferenced' } });
});

test('only the owner of a file claims it, and only while it is there', async (t) => {
  const { files } = (await send(callToken(vendor), [logo])).json();
  const [{ id }] = files;
  const claim = async (file: string, owner: string) =>
    (
      await query<{ type: string | null }>('select shared.claim_profile_file($1, $2) as type', [
        file,
        owner,
      ])
    )[0]?.type;
  t.equal(await claim(id, randomUUID()), null, "another's");
  t.equal(await claim(id, vendor.id), 'image/png');
  t.match(await query('select unclaimed_since from files.profile_files where file_id = $1', [id]), [
    { unclaimed_since: null },
  ]);
  await query('select shared.release_profile_file($1)', [id]);
  await query(`update files.files set status = 'deleted' where id = $1`, [id]);
  t.equal(await claim(id, vendor.id), null, 'a deleted one');
});

test("a listed profile's logo is everyone's to see, its certificate is not", async (t) => {
  const owner = await signIn('vendor');
  const { files } = (await send(callToken(owner), [logo, certificate])).json();
  const [{ id: logoId }, { id: certificateId }] = files;
  const profile = await newProfile(owner, { logo: logoId, certificate: certificateId });
  const [customer, other, admin] = [await signIn(), await signIn('vendor'), await signIn('admin')];
  const get = async (kind: string, { headers }: TestUser) =>
    (await app.inject({ url: `/api/files/vendor-${kind}s/${profile}`, headers })).statusCode;
  for (const reader of [owner, customer, other, admin]) t.equal(await get('logo', reader), 200);
  t.strictSame(
    await Promise.all([owner, admin, other, customer].map((reader) => get('certificate', reader))),
    [200, 200, 404, 403],
  );
  const reads = (await events()).filter(({ action }) => action === 'FILE_DOWNLOAD');
  t.equal(reads.length, 6, 'each read is an event');
  for (const { user_id: reader, personal } of reads)
    t.equal(personal?.filename !== undefined, reader === owner.id, "a name is its owner's alone");
  await query(`update identity.users set status = 'suspended' where id = $1`, [owner.id]);
  t.strictSame(
    await Promise.all([customer, other, admin].map((reader) => get('logo', reader))),
    [404, 404, 200],
  );
  const foreign = await app.inject({ url: `/api/files/${logoId}`, headers: customer.headers });
  t.equal(foreign.statusCode, 404, "the file itself stays its owner's");
});
