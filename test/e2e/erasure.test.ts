import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { PASSWORD, startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { openDatabase, storedObjects, trailGaps } from './stores.ts';
import { provenSizes, tracesOf } from './traces.ts';

const ADDRESS = '127.0.0.77';

/** A request from another loopback address, which `fetch` cannot choose. */
function postFrom(
  localAddress: string,
  url: string,
  body: object,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', localAddress, headers: { ...headers, 'content-type': 'application/json' } },
      (answer) => {
        text(answer).then(
          (received) => resolve({ status: answer.statusCode ?? 0, body: received }),
          reject,
        );
      },
    );
    sent.on('error', reject).end(JSON.stringify(body));
  });
}

test('a deleted account ends at once; its trail stays without personal data', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const email = 'Erasmus.of.Rotterdam@example.com';
  const agent = 'erasable-agent/1.0';
  const headers = { 'user-agent': agent };
  const signedUp = await postFrom(
    ADDRESS,
    `${fleet.url}/api/users/register`.replace('localhost', '127.0.0.1'),
    { email, password: PASSWORD, name: 'Desiderius', type: 'vendor' },
    headers,
  );
  t.equal(signedUp.status, 201);
  const {
    user,
    token,
    refresh_token: refreshToken,
  } = JSON.parse(signedUp.body) as { user: { id: string }; token: string; refresh_token: string };
  const client = fleet.client();
  const { api } = client;
  await t.rejects(
    api.signIn.logInUser({ body: { email, password: 'not the password' }, headers }),
    { code: 'invalid_credentials' },
  );
  await t.rejects(api.signIn.registerUser({ body: { email, password: PASSWORD }, headers }), {
    code: 'email_taken',
  });
  client.session.adopt({ token, expires_in: 900 });
  for (const name of ['encomium-moriae.txt', 'adagia.txt'])
    await client.upload({ file: new Blob([`bytes of ${name}`]), name });
  const { id: fileId } = (
    await client.upload({ file: new Blob([Buffer.alloc(6 * 1024 ** 2)]), name: 'colloquia.bin' })
  ).data;
  const path = { id: fileId };
  await api.files.renameFile({ path, body: { name: 'moriae-encomium.txt' } });
  await new Response((await api.downloads.downloadFile({ path })).data).arrayBuffer();
  await api.vendorProfiles.createVendorProfile({
    body: {
      business_type: 'Calligraphy',
      business_name: 'Officina Frobeniana',
      contact_person: 'Beatus Rhenanus',
      city: 'Basilea',
    },
  });
  const found = await api.vendorProfiles.searchVendorProfiles({ query: { q: 'frobeniana' } });
  t.equal(found.data.data.length, 1);
  const metadata = { user_metadata: { 'folly-praised': 'Stultitiae Laus' } };
  await api.account.updateProfile({ body: metadata });
  const terms = () =>
    rows('select from identity.user_metadata_terms where user_id = $1', [user.id]);
  t.equal((await terms()).length, 1, 'found by its metadata before');
  const other = await fleet.signUp();
  t.equal((await fleet.upload(other.token, 'stays.txt', 'of another')).status, 201);

  const logs = await until(
    async () => {
      const trail = await fleet.trail(token);
      return trail.some(({ action }) => action === 'FILE_DOWNLOAD') && trail;
    },
    { what: 'the trail is there' },
  );
  t.match(
    logs.find(({ action }) => action === 'SIGNUP_SUCCESS'),
    { user_agent: agent, ip: ADDRESS },
    'readable before',
  );
  t.match(
    logs.find(({ action }) => action === 'FILE_DOWNLOAD'),
    { metadata: { filename: 'moriae-encomium.txt', size: 6 * 1024 ** 2 } },
    'names of files too',
  );
  t.strictSame(
    await tracesOf(fleet, rows, email),
    ['identity.users'],
    "the address stands in the account's row and nowhere else",
  );
  t.match(
    await tracesOf(fleet, rows, 'bytes of adagia'),
    [/^s3\//],
    'the search looks into objects',
  );
  t.ok((await tracesOf(fleet, rows, user.id)).includes('the stream'), 'and into the stream');
  t.equal(
    (await rows('select key_id from keys.subject_keys where subject = $1', [user.id])).length,
    1,
  );
  t.ok(
    (await rows('select from audit.search_terms where subject = $1', [user.id])).length > 0,
    'found by address and e-mail before',
  );
  const provenBefore = await until(
    async () => {
      const sealed =
        (await rows<{ count: number }>('select count(*)::int from audit.sealed'))[0]?.count ?? 0;
      const sizes = await provenSizes(fleet, rows);
      return (sizes.at(-1) ?? 0) >= sealed && sealed >= logs.length && sizes;
    },
    { what: 'a checkpoint covers them', timeoutMs: timeBound(10_000) },
  );

  await api.passwords.forgotPassword({ body: { email }, headers });
  const newAddress = { email: 'desiderius@example.org', password: PASSWORD };
  await api.account.changeEmail({ body: newAddress, headers });
  await until(
    async () =>
      (
        await rows(
          `select from identity.reset_tokens r
           join identity.email_changes c using (user_id) where user_id = $1`,
          [user.id],
        )
      ).length === 1,
    {
      what: 'links to a new password and a new address wait for their owner',
      timeoutMs: timeBound(10_000),
    },
  );

  await api.account.deleteAccount({ body: { password: PASSWORD } });

  // Each replica at its own port. Changes are refused at once, reads within a second.
  const { processes } = await fleet.describe();
  const headersOf = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (const { name, port } of processes.filter(({ service }) => service === 'user')) {
    await isProblem(
      t,
      await fetch(`http://127.0.0.1:${port}/api/users/me`, {
        method: 'PATCH',
        headers: headersOf,
        body: '{"name":"x"}',
      }),
      401,
      'unauthenticated',
      `${name}: a change`,
    );
  }
  for (const { name, port } of processes.filter(({ service }) => service === 'file')) {
    await isProblem(
      t,
      await fetch(`http://127.0.0.1:${port}/api/files/${fileId}`, {
        method: 'DELETE',
        headers: { authorization: headersOf.authorization },
      }),
      401,
      'unauthenticated',
      `${name}: a change`,
    );
  }
  const paths = {
    user: '/api/users/me',
    file: `/api/files/${fileId}/metadata`,
    audit: '/api/audit/logs',
  };
  await until(
    async () => {
      const answers = await Promise.all(
        processes.map(async ({ service, port }) =>
          service in paths
            ? (
                await fetch(`http://127.0.0.1:${port}${paths[service as keyof typeof paths]}`, {
                  headers: headersOf,
                })
              ).status
            : 401,
        ),
      );
      return answers.every((status) => status === 401);
    },
    { what: 'no replica serves the token', timeoutMs: timeBound(1_000) },
  );
  await t.rejects(api.sessions.refreshSession({ body: { refresh_token: refreshToken } }), {
    status: 401,
    code: 'refresh_token_invalid',
  });
  const credentials = { email: email.toLowerCase(), password: PASSWORD };
  await t.rejects(client.logIn(credentials), { status: 401, code: 'invalid_credentials' });

  await until(
    async () =>
      (
        await rows(
          `select user_id from shared.erasures
           where user_id = $1 and identity_done and files_done and audit_done`,
          [user.id],
        )
      ).length === 1,
    { what: 'every service has done its part' },
  );
  await until(
    async () => {
      const { objects, uploads } = await storedObjects(fleet);
      return objects.length === 1 && uploads.length === 0;
    },
    { what: "only the other user's object is left" },
  );
  t.strictSame(
    await rows(`select distinct status from files.files where user_id = $1`, [user.id]),
    [{ status: 'purged' }],
  );
  await until(async () => (await trailGaps(rows)).length === 0, { what: 'the trail is complete' });

  const kept = await rows<{ action: string; subject: string | null; ciphertext: string | null }>(
    `select action, subject, personal_ciphertext as ciphertext from audit.events
     where user_id = $1 or subject = $1::text order by id`,
    [user.id],
  );
  const count = (action: string): number => kept.filter((event) => event.action === action).length;
  t.match(
    {
      signups: count('SIGNUP_SUCCESS'),
      uploads: count('FILE_UPLOAD'),
      deletions: count('FILE_DELETE'),
      end: count('USER_DELETED'),
    },
    { signups: 1, uploads: 3, deletions: 3, end: 1 },
    'the trail tells what happened',
  );
  t.strictSame(
    await rows('select key_id from keys.subject_keys where subject = $1', [user.id]),
    [],
    'but the key of its personal values is gone',
  );
  t.strictSame(
    await rows('select subject from keys.erased_subjects where subject = $1', [user.id]),
    [{ subject: user.id }],
    'and there will never be another',
  );
  t.strictSame(
    await rows('select from audit.search_terms where subject = $1', [user.id]),
    [],
    'no search term leads there',
  );
  t.strictSame(await terms(), [], 'no metadata either');
  t.strictSame(
    (
      await rows<{ resource: string }>(
        "select resource from audit.events where action = 'SUBJECT_ERASED'",
      )
    ).map(({ resource }) => resource),
    [user.id],
    'the erasure is one event',
  );
  for (const { id } of logs)
    await isProblem(
      t,
      await fleet.call('GET', `/api/audit/logs/${id}`, { token: other.token }),
      404,
      'audit_log_not_found',
      'nobody else gets an entry',
    );

  const provenAfter = await until(
    async () => {
      const index =
        (
          await rows<{ index: number }>(
            `select s.index::int from audit.sealed s
             join audit.events e on e.id = s.event_id where e.action = 'SUBJECT_ERASED'`,
          )
        )[0]?.index ?? Infinity;
      const sizes = await provenSizes(fleet, rows);
      return (sizes.at(-1) ?? 0) > index && sizes;
    },
    { what: 'a checkpoint covers the erasure', timeoutMs: timeBound(10_000) },
  );
  t.strictSame(
    provenAfter.slice(0, provenBefore.length),
    provenBefore,
    'every checkpoint that was signed before still verifies, and those after it',
  );

  for (const value of [
    email,
    email.toLowerCase(),
    agent,
    ADDRESS,
    'Desiderius',
    'desiderius@example.org',
    'encomium-moriae',
    'moriae-encomium',
    'adagia.txt',
    'colloquia.bin',
    'bytes of adagia',
    'Frobeniana',
    'Beatus Rhenanus',
    'Basilea',
    'Calligraphy',
    'folly-praised',
    'Stultitiae Laus',
  ]) {
    // Only the gateway's access log names the client, until logs are rotated.
    const stated = value === agent || value === ADDRESS ? ['nginx/access.log'] : [];
    t.strictSame(
      await tracesOf(fleet, rows, value),
      stated,
      `«${value}» stands in no table, record of the stream, object or log`,
    );
  }
  await t.resolves(client.signUp({ email, password: PASSWORD }), 'the address is free again');
});
