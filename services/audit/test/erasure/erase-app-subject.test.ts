import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { startFaultProxy, startS3 } from '@muniment/cluster';
import { replaySubjects } from '../../erasure/erase-app-subject.ts';
import { build, type Caller, type TestServer } from '../build.ts';

const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

async function start(
  t: Test,
): Promise<TestServer & { admin: Caller; s3Port: (mode: 'pass' | 'refuse') => void }> {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-s3-'));
  const s3 = await startS3({ dir, buckets: ['muniment-audit'], durable: false, ...CREDENTIALS });
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: s3.port } });
  const parts = await build(t, { AUDIT_S3_ENDPOINT: proxy.url, AUDIT_BUCKET: 'muniment-audit' });
  t.teardown(async () => {
    await proxy.stop();
    await s3.stop();
    await rm(dir, { recursive: true, force: true });
  });
  return { ...parts, admin: await parts.signIn('admin'), s3Port: (mode) => proxy.mode(mode) };
}

const post =
  (path: string) =>
  ({ server }: TestServer, caller: Caller | undefined, payload: object) =>
    server.http.app.inject({
      method: 'POST',
      url: `/api/audit/${path}`,
      payload,
      ...(caller && { headers: { authorization: `Bearer ${caller.token}` } }),
    });
const recordEvents = post('events');
const erase = post('erasures');
const ADA = { tenant_id: 'acme', subject: 'u17' };
const eventOf = (id: string, more: object = {}) => ({
  id,
  tenant_id: 'acme',
  action: 'user.login',
  actor: { id: 'u17', email: 'ada@customer.example' },
  ...more,
});

test('an erasure deletes key and fingerprints, and later events get no values', async (t) => {
  const parts = await start(t);
  const { admin, superuser } = parts;
  const count = async (text: string): Promise<number> =>
    (await superuser.query(text)).rowCount ?? 0;
  await recordEvents(parts, admin, {
    events: [
      eventOf('e1'),
      eventOf('e2', { actor: { id: 'u18' } }),
      eventOf('e3', { tenant_id: 'other' }),
    ],
  });
  t.equal(await count("select from keys.subject_keys where subject like 'app:%'"), 3);
  const answer = await erase(parts, admin, ADA);
  t.equal(answer.statusCode, 204, answer.body);
  t.equal(
    await count("select from keys.subject_keys where subject like 'app:%'"),
    2,
    'the keys of other subjects and tenants stay',
  );
  t.equal(
    await count("select from audit.app_events where caller_id = 'e1' and fingerprint is null"),
    1,
  );
  t.equal(await count('select from audit.app_events where fingerprint is null'), 1);
  const { rows } = await superuser.query<{ head: string; tail: string }>(
    `select head, tail from audit.outbox where head like '%SUBJECT_ERASED%'`,
  );
  t.match(
    rows.map(({ head, tail }) => JSON.parse(`${head},${tail}`) as object),
    [
      {
        action: 'SUBJECT_ERASED',
        user_id: admin.id,
        tenant_id: 'acme',
        resource: /^app:[\w-]{43}$/,
        metadata: { search_terms: 0 },
      },
    ],
  );
  t.notMatch(rows[0]?.head ?? '', 'u17');

  t.match(
    (await recordEvents(parts, admin, eventOf('e1', { outcome: 'failure' }))).json(),
    { data: [{ status: 'duplicate' }] },
    'without the fingerprint, other content counts as a duplicate',
  );
  t.match((await recordEvents(parts, admin, eventOf('e9'))).json(), {
    data: [{ status: 'created' }],
  });
  t.equal(
    await count(
      `select from app.outbox
        where tail like '%"tenant_id":"acme"%' and head like '%"id":"e9"%'
          and head like '%"personal":null%'`,
    ),
    1,
  );
  t.equal(
    await count(
      "select from audit.app_events where caller_id in ('e1', 'e9') and fingerprint is null",
    ),
    2,
  );
});

test('without the journal nothing is erased, and the call can be repeated', async (t) => {
  const parts = await start(t);
  await recordEvents(parts, parts.admin, eventOf('e1'));
  parts.s3Port('refuse');
  const refused = await erase(parts, parts.admin, ADA);
  t.match(refused.json(), { status: 503, code: 'dependency_unavailable' });
  t.equal((await parts.superuser.query('select from keys.erased_subjects')).rowCount, 0);
  parts.s3Port('pass');
  for (let n = 0; n < 2; n += 1) t.equal((await erase(parts, parts.admin, ADA)).statusCode, 204);
});

test('a restored database gets lost erasures from the journal', async (t) => {
  const parts = await start(t);
  const { admin, superuser, server } = parts;
  await recordEvents(parts, admin, eventOf('e1'));
  const key = (await superuser.query("select * from keys.subject_keys where subject like 'app:%'"))
    .rows[0] as { key_id: string; subject: string; wrapped: Buffer };
  await erase(parts, admin, ADA);
  t.equal(await replaySubjects(server), 0, 'nothing was lost');
  await superuser.query('delete from keys.erased_subjects');
  await superuser.query(
    'insert into keys.subject_keys (key_id, subject, wrapped) values ($1, $2, $3)',
    [key.key_id, key.subject, key.wrapped],
  );
  t.equal(await replaySubjects(server), 1);
  t.equal(
    (await superuser.query("select from keys.subject_keys where subject like 'app:%'")).rowCount,
    0,
  );
  t.equal(
    (await superuser.query(`select from audit.outbox where head like '%erasure_replayed%'`))
      .rowCount,
    1,
  );
  t.equal(await replaySubjects(server), 0, 'once');
});

test('callers without permission get a 401 or a 403', async (t) => {
  const parts = await start(t);
  const payload = { tenant_id: 'acme', subject: 'u' };
  t.equal((await erase(parts, undefined, payload)).statusCode, 401);
  const customer = await parts.signIn('customer');
  t.equal((await erase(parts, customer, payload)).statusCode, 403);
});

test('a malformed request gets a 400', async (t) => {
  const parts = await start(t);
  for (const payload of [
    {},
    { tenant_id: 'acme' },
    { subject: 'u' },
    { tenant_id: 'acme', subject: '' },
    { tenant_id: 'acme', subject: 'x'.repeat(129) },
    { tenant_id: 'acme', subject: 'u', more: 1 },
  ]) {
    t.match((await erase(parts, parts.admin, payload)).json(), { status: 400 });
  }
});
