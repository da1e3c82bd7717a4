import t from 'tap';
import { build, type TestServer } from '../build.ts';
import { importFile, ndjson } from '../import/admin.ts';
import { registerAs } from './administrator.ts';

let server: TestServer;
let token: string;
t.before(async () => {
  server = await build(t);
  ({ token } = await registerAs(server));
});
// The administrator stays.
t.beforeEach(async () => {
  await server.rows(`delete from identity.users where email <> 'admin@example.com'`);
});

const HASH = `$2b$10$${'a'.repeat(53)}`;
const PEOPLE = [
  {
    email: 'Ada@example.org',
    email_verified: '2024-01-02T03:04:05.678Z',
    phone: '+4930901820',
    phone_verified: true,
    name: `=cmd|' /C calc'!A0`,
    first_name: "'=1+1",
    last_name: 'O\'Hara, "Ada"\r\nof Köln',
    post_code: '-10115',
    country: '@DE',
    city: '\uff1dBerlin ',
    external_id: 'crm|1',
    aws_cognito_id: 'cognito-1',
    is_profile_updated: true,
    is_profile_reverified: true,
    profile_reverified_at: '2024-02-02T00:00:00.000Z',
    created: '2023-01-01T00:00:00.000Z',
    type: 'vendor',
    password_hash: HASH,
  },
  { email: 'bob@example.org', phone: '+1234567890', status: 'suspended' },
  { email: 'eve@example.org', type: 'auditor', email_verified: true, status: 'inactive' },
];

const everybody = ({ rows }: TestServer) =>
  rows(
    `select id, external_id, aws_cognito_id, type, status, email, email_key, email_verified_at,
       phone, phone_valid, phone_verified_at, is_verified, verified_at, name, first_name, last_name,
       post_code, country, country_code, city, is_profile_updated, is_profile_reverified, profile_reverified_at,
       date_trunc('milliseconds', created) as created
     from identity.users where type <> 'admin' order by id`,
  );

for (const format of ['csv', 'ndjson'])
  t.test(`an import takes our own export back unchanged: ${format}`, async (t) => {
    const { summary } = await importFile(server, token, { body: ndjson(...PEOPLE) });
    t.equal(summary?.created, PEOPLE.length);
    const before = await everybody(server);
    const answer = await server.call('GET', `/api/users/export?format=${format}`, { token });
    t.equal(answer.statusCode, 200);
    t.notMatch(answer.body, /\$2b|\$argon2|hash|password|service/);
    if (format === 'csv') t.match(answer.body, `"'=cmd|' /C calc'!A0"`);
    // Without their deletion, whose ids never come back.
    await server.rows(`delete from identity.users where type <> 'admin'`);
    const type = format === 'csv' ? 'text/csv' : 'application/x-ndjson';
    const back = await importFile(server, token, { body: answer.body, type });
    t.same(back.summary, { rows: 4, created: 3, existing: 1, refused: 0 });
    t.strictSame(await everybody(server), before);
  });

t.test('an export is one event, and has everybody once', async (t) => {
  await server.rows(
    `insert into identity.users (id, email, email_key)
     select gen_random_uuid(), n || '@example.org', n || '@example.org'
     from generate_series(1, 1200) n`,
  );
  const before = (await server.events()).length;
  const answer = await server.call('GET', '/api/users/export?format=csv', { token });
  const ids = answer.body.trim().split('\r\n').slice(1);
  t.equal(new Set(ids.map((line) => line.split(',')[0])).size, 1_201);
  t.match((await server.events()).slice(before), [
    { action: 'USERS_EXPORTED', metadata: { format: 'csv' } },
  ]);
  t.match(answer.headers, {
    'content-type': /^text\/csv/,
    'content-disposition': 'attachment; filename="users.csv"',
    'cache-control': /no-store/,
  });
});

t.test('an auditor exports nobody', async (t) => {
  const auditor = await registerAs(server, 'auditor');
  const answer = await server.call('GET', '/api/users/export', { token: auditor.token });
  t.equal(answer.statusCode, 403);
});
