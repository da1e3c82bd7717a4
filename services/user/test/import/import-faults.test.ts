import t from 'tap';
import { build, type TestServer } from '../build.ts';
import { createFailureFloor } from '../../foreign-hashes/failure-floor.ts';
import { readRows } from '../../import/rows/read-rows.ts';
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

const imported = async (): Promise<number> =>
  (await server.rows(`select from identity.users where email <> 'admin@example.com'`)).length;

const GOOD = Array.from({ length: 40 }, (_, n) => `u${n}@example.com,\n`).join('');
const BREAKS: Record<string, string> = {
  'a row that is too long': `long@example.com,${'x'.repeat(70_000)}\n`,
  'a quote that is never closed': 'open@example.com,"Ada\n',
};

for (const [name, row] of Object.entries(BREAKS))
  t.test(`a CSV ends where rows could be lost, and those before are done: ${name}`, async (t) => {
    const body = `email,name\n${GOOD}${row}last@example.com,\n`;
    const { answer } = await importFile(server, token, { body, type: 'text/csv' });
    t.match(answer.json(), { status: 400, code: 'csv_malformed' });
    t.equal(await imported(), 40);
  });

t.test('rows before bytes that are not UTF-8 are done in a CSV too', async (t) => {
  const body = Buffer.concat([
    Buffer.from(`email,name\n${GOOD}`),
    Buffer.from('J\xfc,\n', 'latin1'),
  ]);
  const { answer } = await importFile(server, token, { body, type: 'text/csv' });
  t.match(answer.json(), { status: 400, code: 'import_not_utf8' });
  t.equal(await imported(), 40);
});

t.test('a header that cannot be read ends a CSV', async (t) => {
  const body = 'email,na"me"\none@example.com,Ada\n';
  const { answer } = await importFile(server, token, { body, type: 'text/csv' });
  t.match(answer.json(), { status: 400, code: 'csv_malformed' });
});

t.test('a row of a CSV with several wrong quotes is one row', async (t) => {
  const body = 'email,name\na"b"c"@example.com,d"e\none@example.com,\n';
  const { rows, summary } = await importFile(server, token, { body, type: 'text/csv' });
  t.match(rows, [{ line: 2, code: 'row_malformed' }, { status: 'created' }]);
  t.same(summary, { rows: 2, created: 1, existing: 0, refused: 1 });
});

t.test('a CSV of which no row fits its header is read no further than its bound', async (t) => {
  let parts = 0;
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from('email,name\n');
    for (; parts < 100; parts += 1) yield Buffer.from('x\n'.repeat(10_000));
  }
  const read = async (): Promise<void> => {
    for await (const row of readRows(body(), 'csv')) if (!row.fault) t.fail('a row fits');
  };
  await t.rejects(read(), { message: /50,000 rows at most/ });
  t.ok(parts < 10, `${parts} parts`);
});

t.test('a value that PostgreSQL cannot hold is a fault of its row', async (t) => {
  const body = ndjson(
    { email: 'one@example.com', raw_user_meta_data: '{"full_name":"A\\u0000da"}' },
    { email: 'two@example.com', created_at: '0000-06-01T00:00:00Z' },
    { email: 'three@example.com', created_at: '2024-02-30T00:00:00Z' },
    { email: 'four@example.com', created_at: '2024-02-29T00:00:00Z' },
  );
  const { rows } = await importFile(server, token, { body, source: 'supabase' });
  t.match(rows, [
    { code: 'validation_failed', errors: [{ pointer: '/name' }] },
    { code: 'validation_failed', errors: [{ pointer: '/created' }] },
    { code: 'validation_failed', errors: [{ pointer: '/created' }] },
    { status: 'created' },
  ]);
});

t.test('a hash that could not be read again is refused, and failed logins go on', async (t) => {
  const hash = { value: 'ab'.repeat(32), encoding: 'hex' };
  const scrypt = { algorithm: 'scrypt', hash, cost: 2, blockSize: 8, parallelization: 1 };
  const salt = { value: 'salt', encoding: 'utf8' };
  const body = ndjson(
    { email: 'one@example.com', custom_password_hash: scrypt },
    { email: 'two@example.com', custom_password_hash: { ...scrypt, salt, blockSize: 10_000 } },
  );
  const { rows } = await importFile(server, token, { body, source: 'auth0' });
  t.match(rows, [{ code: 'hash_refused' }, { code: 'hash_refused' }]);
  const login = { email: 'nobody@example.com', password: 'not the password' };
  t.equal((await server.call('POST', '/api/users/login', { body: login })).statusCode, 401);
});

t.test('the id of a row follows from its address only with a secret', async (t) => {
  const file = { body: ndjson({ email: 'one@example.com' }), key: 'move-1' };
  const { rows: before } = await importFile(server, token, file);
  await server.rows(`delete from identity.users where email = 'one@example.com'`);
  await server.rows('delete from shared.limit_secret');
  const { rows: after } = await importFile(await server.replica(), token, file);
  t.match([before, after], [[{ status: 'created' }], [{ status: 'created' }]]);
  t.strictNotSame(after, before);
});

t.test('kinds of hashes are measured one after another', async (t) => {
  await server.rows(
    `insert into identity.foreign_hash_costs (cost_class, decoy)
     values ('one', 'one'), ('two', 'two'), ('three', 'three')`,
  );
  let running = 0;
  let most = 0;
  const verifyForeign = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
    return { ok: false, needsRehash: false };
  };
  const { passwords, data } = server.context;
  await createFailureFloor(data.db, { ...passwords, verifyForeign }).wait(performance.now());
  await server.rows('delete from identity.foreign_hash_costs');
  t.equal(most, 1);
});

t.test('an import brings at most 16 kinds of costs, and its other rows are done', async (t) => {
  const hash = (rounds: number): string =>
    `$pbkdf2-sha256$i=${rounds},l=32$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const users = Array.from({ length: 18 }, (_, n) => ({
    email: `cost-${n}@example.com`,
    password_hash: hash(1_000 + n),
  }));
  const last = { email: 'known-cost@example.com', password_hash: hash(1_000) };
  const { rows } = await importFile(server, token, { body: ndjson(...users, last) });
  t.strictSame(
    rows.map((row) => ('code' in row ? row.code : 'done')),
    [...Array(16).fill('done'), 'hash_refused', 'hash_refused', 'done'],
  );
});
