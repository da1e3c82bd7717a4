import t from 'tap';
import { build, type TestServer } from '../build.ts';
import { importFile, ndjson, signInAdmin } from './admin.ts';

let server: TestServer;
let token: string;
t.before(async () => {
  server = await build(t);
  token = await signInAdmin(server);
});
// The administrator stays.
t.beforeEach(async () => {
  await server.rows(`delete from identity.users where email <> 'admin@example.com'`);
});

const HASH = `$2b$10$${'a'.repeat(53)}`;

t.test('a broken row in the middle is reported, and the others go on', async (t) => {
  const lines = [
    JSON.stringify({ email: 'one@example.com' }),
    '{"email": "two@example.com"',
    JSON.stringify({ email: 'not an address' }),
    JSON.stringify({ email: 'hash@example.com', password_hash: '$2b$14$nonsense' }),
    JSON.stringify({ email: 'cost@example.com', password_hash: HASH.replace('10', '14') }),
    JSON.stringify({ email: 'field@example.com', emial_verified: true }),
    'x'.repeat(70_000),
    '[]',
    JSON.stringify({ email: 'last@example.com', password_hash: HASH, type: 'vendor' }),
  ];
  const { rows, summary } = await importFile(server, token, { body: lines.join('\n') });
  t.match(rows, [
    { line: 1, status: 'created' },
    { line: 2, status: 'refused', code: 'row_malformed' },
    { line: 3, code: 'validation_failed', errors: [{ pointer: '/email' }] },
    { line: 4, code: 'hash_refused', errors: [{ pointer: '/password_hash' }] },
    { line: 5, code: 'hash_refused', errors: [{ message: /cost 4 to 13/ }] },
    { line: 6, code: 'validation_failed', errors: [{ pointer: '/emial_verified' }] },
    { line: 7, code: 'row_malformed' },
    { line: 8, code: 'row_malformed' },
    { line: 9, status: 'created' },
  ]);
  t.same(summary, { rows: 9, created: 2, existing: 0, refused: 7 });
  t.match(await server.rows(`select email from identity.users where type <> 'admin' order by 1`), [
    { email: 'last@example.com' },
    { email: 'one@example.com' },
  ]);
});

t.test('a broken row of a CSV is reported, and the others go on', async (t) => {
  const { rows, summary } = await importFile(server, token, {
    type: 'text/csv; charset=utf-8',
    body: '\ufeffemail,name\r\none@example.com,"One, two"\r\ntoo,many,fields\r\nlast@example.com,\r\n',
  });
  t.match(rows, [
    { line: 2, status: 'created' },
    { line: 3, status: 'refused', code: 'row_malformed' },
    { line: 4, status: 'created' },
  ]);
  t.same(summary, { rows: 3, created: 2, existing: 0, refused: 1 });
  t.match(await server.rows(`select name from identity.users where email like 'one@%'`), [
    { name: 'One, two' },
  ]);
});

t.test('each imported user has exactly one event', async (t) => {
  const before = (await server.events()).length;
  const users = Array.from({ length: 600 }, (_, n) => ({ email: `user-${n}@example.com` }));
  const { rows, summary } = await importFile(server, token, { body: ndjson(...users) });
  t.same(summary, { rows: 600, created: 600, existing: 0, refused: 0 });
  const events = (await server.events()).slice(before);
  t.equal(events.length, 600);
  t.ok(
    events.every(
      ({ action, metadata }) =>
        action === 'USER_CREATED' && (metadata as { by?: string }).by === 'import',
    ),
  );
  t.same(
    new Set(events.map(({ resource }) => resource)),
    new Set(rows.map((row) => ('id' in row ? row.id : ''))),
  );
});

t.test('an import is resumed under its key, and no row is doubled', async (t) => {
  const users = Array.from({ length: 20 }, (_, n) => ({ email: `user-${n}@example.com` }));
  const first = await importFile(server, token, { body: ndjson(...users.slice(0, 12)), key: 'k1' });
  t.equal(first.summary?.created, 12);
  const events = (await server.events()).length;
  const again = await importFile(server, token, { body: ndjson(...users), key: 'k1' });
  t.same(again.summary, { rows: 20, created: 8, existing: 12, refused: 0 });
  t.same(
    again.rows.slice(0, 12).map((row) => 'id' in row && row.id),
    first.rows.map((row) => 'id' in row && row.id),
  );
  t.equal((await server.events()).length, events + 8);
  const other = await importFile(server, token, { body: ndjson(...users), key: 'k2' });
  t.same(other.summary, { rows: 20, created: 0, existing: 0, refused: 20 });
  t.match(other.rows[0], { code: 'email_taken' });
});

t.test('countries get their code; what names none stays, without a code', async (t) => {
  const countries = ['Germany', 'DEU', 'de', 'Atlantis', undefined];
  const users = countries.map((country, n) => ({ email: `${n}@example.com`, country }));
  const { summary } = await importFile(server, token, { body: ndjson(...users) });
  t.equal(summary?.created, users.length);
  const found = await server.rows(
    `select country, country_code from identity.users where type <> 'admin' order by email`,
  );
  t.strictSame(found, [
    { country: 'Germany', country_code: 'DE' },
    { country: 'DEU', country_code: 'DE' },
    { country: 'de', country_code: 'DE' },
    { country: 'Atlantis', country_code: null },
    { country: null, country_code: null },
  ]);
});

t.test('ids are kept, others become external ids, and taken ones are refused', async (t) => {
  const id = '6f1f1bb0-8f5e-4c39-9f0a-2b1d3c4e5f60';
  const body = ndjson(
    { id, email: 'one@example.com', phone: '+4930901820', phone_verified: true },
    { id: 'google|1', email: 'two@example.com' },
    { id, email: 'three@example.com' },
    { external_id: 'google|1', email: 'four@example.com' },
    { email: 'ONE@example.com' },
    { email: 'five@example.com', phone: '+4930901820', phone_verified: true },
  );
  const { rows } = await importFile(server, token, { body });
  t.match(rows, [
    { status: 'created', id },
    { status: 'created' },
    { code: 'id_taken', errors: [{ pointer: '/id' }] },
    { code: 'id_taken', errors: [{ pointer: '/external_id' }] },
    { code: 'email_taken' },
    { code: 'phone_taken' },
  ]);
  t.match(await server.rows(`select email from identity.users where external_id = 'google|1'`), [
    { email: 'two@example.com' },
  ]);
  const again = await importFile(server, token, { body });
  t.match(again.rows.slice(0, 2), [{ status: 'existing', id }, { status: 'existing' }]);
});

t.test('a privileged user of a file keeps its password only with a proved address', async (t) => {
  const { rows } = await importFile(server, token, {
    body: ndjson(
      { email: 'eve@example.com', email_verified: true, type: 'admin', password_hash: HASH },
      { email: 'eva@example.com', type: 'auditor', password_hash: HASH },
      { email: 'off@example.com', email_verified: true, type: 'admin', status: 'suspended' },
      { email: 'admin@example.com', type: 'customer', status: 'suspended' },
    ),
  });
  t.match(rows, [
    { status: 'created' },
    { status: 'created' },
    { status: 'created' },
    { status: 'refused', code: 'email_taken' },
  ]);
  t.match(
    await server.rows(
      `select email, type, status, foreign_hash is not null as keeps from identity.users
       order by email`,
    ),
    [
      { email: 'admin@example.com', type: 'admin', status: 'active' },
      { email: 'eva@example.com', type: 'auditor', status: 'active', keeps: false },
      { email: 'eve@example.com', type: 'admin', status: 'active', keeps: true },
      { email: 'off@example.com', type: 'admin', status: 'suspended' },
    ],
  );
  t.strictSame(await server.rows('select template from identity.mail_outbox'), [
    { template: 'set_password' },
  ]);
  t.strictSame(await server.rows('select from identity.status_changes'), []);
});

t.test('an API token imports nobody who is above its owner', async (t) => {
  const made = await server.call('POST', '/api/auth/tokens', {
    token,
    body: { name: 'import', scopes: ['directory:write'] },
  });
  const { rows } = await importFile(server, made.json<{ token: string }>().token, {
    body: ndjson(
      { email: 'eve@example.com', email_verified: true, type: 'admin' },
      { email: 'one@example.com' },
    ),
  });
  t.match(rows, [{ code: 'session_required' }, { status: 'created' }]);
});

t.test('refused rows leave no key of personal values', async (t) => {
  const keys = () => server.rows('select subject from keys.subject_keys order by subject');
  const before = await keys();
  const twice = { email: 'one@example.com' };
  const { rows } = await importFile(server, token, {
    body: ndjson({ email: 'admin@example.com' }, twice, twice, { email: 'none' }),
  });
  t.match(rows, [{ code: 'email_taken' }, { status: 'created' }, { code: 'email_taken' }, {}]);
  t.equal((await keys()).length, before.length + 1);
});

t.test('a user waits until each replica knows what checks of its hash cost', async (t) => {
  await server.rows('delete from identity.foreign_hash_costs');
  const body = ndjson({ email: 'one@example.com', password_hash: HASH });
  t.equal((await importFile(server, token, { body })).summary?.created, 1);
  t.match(
    await server.rows(
      `select u.created - c.created >= interval '2 s' as waited
       from identity.users u, identity.foreign_hash_costs c where u.foreign_hash is not null`,
    ),
    [{ waited: true }],
  );
});

t.test('rows before a fault of the file are done, and its repetition says so', async (t) => {
  const good = ndjson(...Array.from({ length: 300 }, (_, n) => ({ email: `u${n}@example.com` })));
  const body = Buffer.concat([Buffer.from(good), Buffer.from('{"name":"J\xfcrgen"}\n', 'latin1')]);
  const { answer } = await importFile(server, token, { body, key: 'k' });
  t.match(answer.json(), { status: 400, code: 'import_not_utf8' });
  t.equal((await server.rows('select from identity.users')).length, 301);
  const again = await importFile(server, token, { body: good, key: 'k' });
  t.same(again.summary, { rows: 300, created: 0, existing: 300, refused: 0 });
});

t.test('an id of an erased user is refused', async (t) => {
  const { user } = await server.register('gone@example.com');
  await server.rows('delete from identity.users where id = $1', [user.id]);
  await server.rows('insert into shared.erasures (user_id, identity_done) values ($1, true)', [
    user.id,
  ]);
  await server.rows('select keys.erase_subject($1)', [user.id]);
  server.context.crypto.subjectKeys.drop(user.id);
  const { rows } = await importFile(server, token, {
    body: ndjson({ id: user.id, email: 'new@example.com' }),
  });
  t.match(rows, [{ code: 'id_erased' }]);
});

const FILES: Record<string, [options: { body: string | Buffer; type?: string }, code: string]> = {
  'a doubled header': [
    { body: 'email,name,email\na@example.com,A,b@example.com', type: 'text/csv' },
    'header_invalid',
  ],
  'a header without an address': [{ body: 'name\nA', type: 'text/csv' }, 'header_invalid'],
  'another encoding': [
    { body: Buffer.from('email,name\na@example.com,J\xfcrgen', 'latin1'), type: 'text/csv' },
    'import_not_utf8',
  ],
  'UTF-16': [
    { body: Buffer.from('\ufeffemail\na@example.com', 'utf16le'), type: 'text/csv' },
    'import_not_utf8',
  ],
  'more than 64 MiB': [{ body: Buffer.alloc(65 * 1024 * 1024, '\n') }, 'import_too_large'],
  JSON: [{ body: '{}', type: 'application/json' }, 'import_unsupported'],
  'a spreadsheet': [{ body: 'PK', type: 'application/vnd.ms-excel' }, 'unsupported_media_type'],
};

t.test('a file that cannot be read is a clear problem', async (t) => {
  for (const [name, [options, code]] of Object.entries(FILES)) {
    const { answer } = await importFile(server, token, options);
    t.ok(answer.statusCode >= 400 && answer.statusCode < 500, `${name}: ${answer.statusCode}`);
    t.equal(answer.json<{ code: string }>().code, code, name);
  }
  t.equal((await server.rows('select from identity.users')).length, 1);
});

t.test('a file of nobody is a report of nobody', async (t) => {
  const { summary } = await importFile(server, token, { body: '\n' });
  t.same(summary, { rows: 0, created: 0, existing: 0, refused: 0 });
});

t.test('only an administrator imports', async (t) => {
  const other = await server.register();
  const body = ndjson({ email: 'a@example.com' });
  const { answer } = await importFile(server, other.token, { body });
  t.equal(answer.statusCode, 403);
});
