import { randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import pg from 'pg';
import {
  createEventRecorder,
  createSubjectKeys,
  openPersonal,
  type AuditEvent,
} from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/testing';
import { generateMasterKey, loadMasterKey, wrappedBy, type MasterKey } from '@muniment/master-key';
import { loadIdempotencySecret } from '../../../packages/server/src/idempotency/answers.ts';
import { deleteSubjectKey } from '../../../services/audit/erasure/subject-key-queries.ts';
import { createSearchTerms } from '../../../services/audit/search/search-terms.ts';
import type { Tables } from '../../../services/audit/tables.ts';
import { unwrapSecrets, wrapSecret } from '../../../services/audit/webhooks/delivery/secrets.ts';
import { openMail } from '../../../services/user/mail/queue-mail.ts';
import { rewrapAll, WRAPPED_COLUMNS } from '../../../scripts/keys/rewrap.ts';
import {
  ensureSigningKey,
  loadActiveSigningKey,
} from '../../../services/user/signing-keys/signing-keys.ts';

async function open(t: Test) {
  const database = await createTestDatabase(t);
  const { db: producer } = createDatabase<unknown>({
    url: database.url('user_service'),
    applicationName: 'test',
  });
  const { db: audit } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  const { db: files } = createDatabase<unknown>({
    url: database.url('file_service'),
    applicationName: 'test',
  });
  const owner = new pg.Client({ connectionString: database.url('migrator') });
  await owner.connect();
  const other = new pg.Client({ connectionString: database.url('user_service') });
  await other.connect();
  t.teardown(async () => {
    await producer.destroy();
    await audit.destroy();
    await files.destroy();
    await other.end();
    await owner.end();
  });
  const file = join(t.testdir(), 'master.key');
  const [older, newer] = [generateMasterKey(), generateMasterKey()];
  const write = (...keys: string[]): void => writeFileSync(file, `${keys.join('\n')}\n`);
  write(older);
  return {
    owner,
    other,
    audit,
    producer,
    file,
    older,
    newer,
    write,
    events: async () =>
      (
        await owner.query<{ head: string; tail: string }>(
          'select head, tail from identity.outbox order by position',
        )
      ).rows.map(({ head, tail }): AuditEvent => JSON.parse(`${head},${tail}`)),
    async read(masterKey: MasterKey, events: readonly AuditEvent[]) {
      const keys = await createSubjectKeys(masterKey).forBlocks(
        audit,
        events.flatMap(({ personal }) => personal ?? []),
      );
      return events.map(({ id, personal }) => {
        const key = personal && keys.of(personal);
        return key ? openPersonal(id, personal, key).ip : null;
      });
    },
    idempotency: async (masterKey: MasterKey) => [
      await loadIdempotencySecret(producer, 'identity', masterKey),
      await loadIdempotencySecret(files, 'files', masterKey),
      await loadIdempotencySecret(audit, 'audit', masterKey),
    ],
    terms: (masterKey: MasterKey) =>
      createSearchTerms({
        db: audit,
        masterKey,
        subjectKeys: createSubjectKeys(masterKey),
        log: { info() {}, warn() {} },
      }),
  };
}

test('every column with wrapped values is known', async (t) => {
  const { owner } = await open(t);
  const { rows } = await owner.query<{ name: string }>(`
    select table_schema || '.' || table_name || '.' || column_name as name
    from information_schema.columns
    where table_schema in ('identity', 'files', 'audit', 'keys', 'shared')
      and column_name like '%wrapped%' order by 1`);
  t.same(
    rows.map(({ name }) => name),
    WRAPPED_COLUMNS.map(({ table, column }) => `${table}.${column}`).toSorted(),
  );
});

test('after a rewrap the old master key opens nothing', async (t) => {
  const { owner, audit, producer, file, older, newer, write, events, read, terms, idempotency } =
    await open(t);
  const before = await loadMasterKey(file);
  const running = await loadMasterKey(file);
  const record = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys: createSubjectKeys(before),
  });
  const recordLate = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys: createSubjectKeys(running),
  });
  const goOn = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1)
      await recordLate(producer, {
        action: 'LOGIN_SUCCESS',
        subject: { userId: randomUUID() },
        personal: { ip: 'late' },
        request_id: 'r',
      });
  };
  const erased = randomUUID();
  for (let n = 0; n < 1_100; n += 1)
    await record(producer, {
      action: 'LOGIN_SUCCESS',
      subject: { userId: n === 7 ? erased : randomUUID() },
      personal: { ip: `192.0.2.${n}` },
      request_id: 'r',
    });
  await record(producer, {
    action: 'LOGIN_FAIL',
    subject: { address: 'eve@example.com' },
    personal: { ip: '198.51.100.1' },
    request_id: 'r',
  });
  const signing = await ensureSigningKey(producer, before);
  const term = await terms(before).term('ip', '192.0.2.1');
  const keys = await idempotency(before);
  t.equal(new Set(keys.map((key) => key.toString('hex'))).size, 3, 'each service has its own');
  const webhook = randomUUID();
  const secrets = [Buffer.from('the secret'), Buffer.from('the one before')] as const;
  const single = randomUUID();
  await owner.query(
    `insert into audit.webhooks (id, url, actions, include_personal, wrapped_secret,
      wrapped_previous_secret, position, created_by)
    values ($1, 'https://example.com/', '{}', false, $2, $3, -1, $1),
      ($4, 'https://example.com/', '{}', false, $5, null, -1, $1)`,
    [
      webhook,
      await wrapSecret(before, webhook, secrets[0]),
      await wrapSecret(before, webhook, secrets[1]),
      single,
      await wrapSecret(before, single, secrets[0]),
    ],
  );
  const [account, mail, request] = [randomUUID(), randomUUID(), randomUUID()];
  const content = Buffer.from(JSON.stringify({ to: 'ada@example.com', values: {} }));
  await owner.query(
    `insert into identity.users (id, email, email_key)
    values ($1, 'ada@example.com', 'ada@example.com')`,
    [account],
  );
  await owner.query(
    `insert into identity.mail_outbox (id, user_id, template, locale, wrapped_mail)
    values ($1, $2, 'password_changed', 'en', $3)`,
    [mail, account, await before.wrap(content, `mail:${mail}`)],
  );
  await owner.query(
    'insert into identity.recovery_requests (id, wrapped_request) values ($1, $2)',
    [request, await before.wrap(content, `recovery-request:${request}`)],
  );
  await owner.query('insert into identity.signer_keys (id, wrapped_key) values ($1, $2)', [
    'firebase',
    await before.wrap(content, 'signer-key:firebase'),
  ]);
  await owner.query('insert into shared.limit_secret (wrapped) values ($1)', [
    await before.wrap(content, 'limits'),
  ]);
  const all = await events();
  const readable = await read(before, all);
  t.equal(readable.filter(Boolean).length, 1_101);

  write(newer, older);
  await deleteSubjectKey(audit, erased);
  const both = await loadMasterKey(file);
  // Meanwhile a fleet continues with its own keys.
  const [rewrapped] = await Promise.all([rewrapAll(owner, both), goOn(50)]);
  t.ok(rewrapped >= 1_102, `${rewrapped}`);
  t.equal(await rewrapAll(owner, both), 0, 'again: nothing');
  write(newer);
  const after = await loadMasterKey(file);
  const expected = readable.map((ip, index) => (index === 7 ? null : ip));
  t.same(await read(after, all), expected);
  t.same((await read(after, await events())).filter((ip) => ip === 'late').length, 50);
  t.same(await read(running, all), expected, 'a process that runs reads on');
  t.same((await loadActiveSigningKey(producer, after))?.privatePem, signing.privatePem);
  t.same(await terms(after).term('ip', '192.0.2.1'), term);
  t.same(await idempotency(after), keys, 'repeated requests are known as before');
  const {
    rows: [stored],
  } = await owner.query<{ one: Buffer; other: Buffer }>(
    `select wrapped_secret as one, wrapped_previous_secret as other
    from audit.webhooks where id = $1`,
    [webhook],
  );
  t.same(stored && (await unwrapSecrets(after, webhook, [stored.one, stored.other])), secrets);
  const {
    rows: [waiting],
  } = await owner.query<{ wrapped: Buffer }>(
    'select wrapped_mail as wrapped from identity.mail_outbox',
  );
  t.match(
    waiting && (await openMail(after, mail, waiting.wrapped)),
    { to: 'ada@example.com' },
    'a mail that waits can still be sent',
  );
  t.same((await events()).slice(0, all.length), all, 'not a byte of an event has changed');

  write(older);
  const old = await loadMasterKey(file);
  await t.rejects(read(old, all), { code: 'master_key_mismatch' });
  for (const { table, column } of WRAPPED_COLUMNS) {
    const { rows } = await owner.query<{ wrapped: Buffer }>(
      `select ${column} as wrapped from ${table} where ${column} is not null`,
    );
    t.ok(rows.length > 0 && rows.every(({ wrapped }) => wrappedBy(wrapped) === after.id), table);
  }
});

test('a value wrapped by the old key during a pass is found by the next pass', async (t) => {
  const { owner, other, producer, file, older, newer, write } = await open(t);
  const old = await loadMasterKey(file);
  await createSubjectKeys(old).forSubject(producer, { userId: randomUUID() });
  const late = '00000000-0000-4000-8000-000000000000';
  const wrappedBefore = await old.wrap(randomBytes(32), `subject:${late}`);
  write(newer, older);
  const both = await loadMasterKey(file);
  let passed = false;
  const masterKey: MasterKey = {
    ...both,
    async unwrap(wrapped, context) {
      if (!passed) {
        passed = true;
        // Lower than the ids that the pass still has to read.
        await other.query('select keys.create_subject_key($1::text, $1::text::uuid, $2)', [
          late,
          wrappedBefore,
        ]);
      }
      return both.unwrap(wrapped, context);
    },
  };
  t.equal(await rewrapAll(owner, masterKey), 2);
  const { rows } = await owner.query<{ wrapped: Buffer }>('select wrapped from keys.subject_keys');
  t.same(
    rows.map(({ wrapped }) => wrappedBy(wrapped)),
    [both.id, both.id],
  );
});
