import { test } from 'tap';
import { startFaultProxy, startMailCatcher } from '@muniment/cluster';
import { SCRAPE, timeBound, until } from '@muniment/testing';
import { PASSWORD } from '../build.ts';
import { buildWithMail, tokenIn, type MailServer } from '../mailbox.ts';

const ADA = 'ada@example.com';
const forgot = ({ call }: MailServer, email = ADA, language = 'en') =>
  call('POST', '/api/auth/forgot-password', {
    body: { email },
    headers: { 'accept-language': language },
  });
const waiting = ({ rows }: MailServer) =>
  rows<{ attempts: number; locale: string }>(
    `select attempts, locale from identity.mail_outbox where status = 'waiting'`,
  );
/** Skips the delays between attempts. */
const due = ({ rows }: MailServer) =>
  rows(`update identity.mail_outbox set next_attempt = now() where claim is null`);
const metric = async ({ call }: MailServer, name: RegExp): Promise<number> =>
  Number(
    new RegExp(`^${name.source}\\S* (\\S+)$`, 'm').exec(
      (await call('GET', '/metrics', { headers: SCRAPE.headers })).body,
    )?.[1],
  );
const smtp = async ({ call }: MailServer): Promise<string> =>
  (await call('GET', '/health/ready')).json().dependencies.smtp.status;

test("a mail server's outage loses no mail, and links live from their sending", async (t) => {
  const service = await buildWithMail(t, { MAIL_TIMEOUT_MS: '500' });
  await service.register(ADA);
  await service.catcher.stop();
  const begin = performance.now();
  for (let n = 0; n < 3; n += 1) t.equal((await forgot(service, ADA, 'de-AT')).statusCode, 202);
  t.ok(performance.now() - begin < timeBound(2_000), 'no request waits for the mail server');
  await until(
    async () => (await service.rows('select from identity.recovery_requests')).length === 0,
    { what: 'all requests are processed' },
  );
  t.equal((await waiting(service)).length, 3, 'no request voids the link of another');
  await until(async () => ((await waiting(service))[0]?.attempts ?? 0) > 0, {
    what: 'the mail was tried',
  });
  t.equal(await metric(service, /muniment_mails\{.*state="waiting"/), 3);
  t.ok((await metric(service, /muniment_mail_oldest_seconds/)) > 0);
  t.ok((await metric(service, /muniment_mail_failures_total\{.*outcome="postponed"/)) >= 1);
  await until(async () => (await smtp(service)) === 'down', { what: 'readiness reports it' });
  t.equal(
    (await service.call('GET', '/health/ready')).json().status,
    'ready',
    'the replica stays ready',
  );
  await service.rows(`update identity.reset_tokens set expires_at = now() - interval '1 hour'`);

  const back = await startMailCatcher({ smtpPort: service.catcher.smtpPort });
  t.teardown(() => back.stop());
  await due(service);
  const [mail] = await until(() => back.mails().length > 0 && back.mails(), {
    what: 'the mail comes',
  });
  t.match(
    mail,
    { subject: 'Neues Passwort für Muniment wählen', text: /Der Link gilt 30 Minuten/ },
    'in the language of the request',
  );
  t.equal(
    (
      await service.call('POST', '/api/auth/reset-password', {
        body: { token: tokenIn(mail), password: 'a better horse battery' },
      })
    ).statusCode,
    204,
  );
  await until(async () => (await service.rows('select from identity.mail_outbox')).length === 0, {
    what: 'nothing is left in the outbox',
  });
});

test('two replicas send each of forty mails once', async (t) => {
  const service = await buildWithMail(t);
  for (let n = 0; n < 2; n += 1)
    await (await service.replica()).context.http.app.listen({ host: '127.0.0.1', port: 0 });
  const { user } = await service.register(ADA);
  const { data, crypto } = service.context;
  const { queueMail } = await import('../../mail/queue-mail.ts');
  await data.db.transaction().execute(async (trx) => {
    for (let n = 0; n < 40; n += 1)
      await queueMail(trx, crypto.masterKey, {
        userId: user.id,
        template: 'password_changed',
        locale: 'en',
        to: `n${n}@example.com`,
        values: { email: ADA },
      });
  });
  await until(async () => (await waiting(service)).length === 0, { what: 'all are sent' });
  t.equal(service.catcher.mails().length, 40);
  t.equal(new Set(service.catcher.mails().map(({ to }) => to[0])).size, 40);
});

test('a mail whose deletion was lost is sent again under the same Message-ID', async (t) => {
  const service = await buildWithMail(t, { MAIL_CLAIM_MS: '1000' });
  await service.register(ADA);
  // A sequence keeps its value after a rollback.
  await service.rows('create sequence public.lost');
  await service.rows(
    `create function public.commit_lost() returns trigger language plpgsql security definer as $$
      begin perform nextval('public.lost'); raise exception 'the process is gone'; end $$`,
  );
  await service.rows(
    `create trigger lost before delete on identity.mail_outbox
      for each row execute function public.commit_lost()`,
  );
  await forgot(service);
  await until(
    async () =>
      (await service.rows<{ is_called: boolean }>('select is_called from public.lost'))[0]
        ?.is_called,
    { what: 'the mail was sent, and its row stayed' },
  );
  t.equal(service.catcher.mails().length, 1);
  await service.rows('drop trigger lost on identity.mail_outbox');
  const [first, second] = await service.mailsTo(ADA, 2);
  t.equal(first?.message_id, second?.message_id);
  t.equal(first?.text, second?.text);
  await until(async () => (await waiting(service)).length === 0, { what: 'the outbox is empty' });
  t.ok(
    Date.parse(second?.received ?? '') - Date.parse(first?.received ?? '') > 900,
    'the claim expired first',
  );
});

test('a refused recipient is given up and wiped; a refused sender waits', async (t) => {
  const refusals: Record<string, { status: number; message: string }> = {
    'gone@example.com': { status: 550, message: '5.1.1 no such user' },
    'relay@example.com': { status: 550, message: '5.7.1 relaying denied' },
    'later@example.com': { status: 450, message: '4.2.1 try later' },
  };
  const service = await buildWithMail(t, {}, { refuses: (recipient) => refusals[recipient] });
  for (const email of Object.keys(refusals)) {
    await service.register(email);
    await forgot(service, email);
  }
  await until(
    async () =>
      (await service.rows('select from identity.mail_outbox where attempts = 1 and claim is null'))
        .length === 3,
    { what: 'all were tried' },
  );
  const left = await service.rows<{
    email: string;
    status: string;
    wrapped_mail: Buffer | null;
    reset_token: Buffer | null;
  }>(
    `select email, m.status, wrapped_mail, reset_token
    from identity.mail_outbox m join identity.users u on u.id = m.user_id order by email`,
  );
  t.match(left, [
    { email: 'gone@example.com', status: 'dead', wrapped_mail: null, reset_token: null },
    { email: 'later@example.com', status: 'waiting' },
    { email: 'relay@example.com', status: 'waiting' },
  ]);
  t.equal(await metric(service, /muniment_mails\{.*state="dead"/), 1);

  await service.rows(
    `update identity.mail_outbox set created = now() - interval '25 hours', next_attempt = now()
      where status = 'waiting'`,
  );
  await until(
    async () =>
      (
        await service.rows(
          `select from identity.mail_outbox where status = 'dead' and wrapped_mail is null`,
        )
      ).length === 3,
    { what: 'after a day the others are given up' },
  );
});

test('a full mailbox and an unreadable mail delay no other mail', async (t) => {
  const service = await buildWithMail(
    t,
    {},
    {
      refuses: (recipient) =>
        recipient === 'full@example.com'
          ? { status: 452, message: '4.2.2 mailbox full' }
          : undefined,
    },
  );
  for (const email of ['full@example.com', 'broken@example.com', ADA])
    await service.register(email);
  await service.rows(
    `create function public.break_mail() returns trigger language plpgsql as $$
      begin new.wrapped_mail := '\\x00'; return new; end $$`,
  );
  await service.rows(
    `create trigger break_mail before insert on identity.mail_outbox
      for each row when (new.locale = 'de') execute function public.break_mail()`,
  );
  await forgot(service, 'full@example.com');
  await forgot(service, 'broken@example.com', 'de');
  await until(
    async () =>
      (await service.rows('select from identity.mail_outbox where attempts = 1 and claim is null'))
        .length === 2,
    { what: 'both were tried' },
  );
  for (let n = 0; n < 3; n += 1) {
    await forgot(service);
    await service.mailsTo(ADA, n + 1);
  }
  await until(async () => (await waiting(service)).length === 2, {
    what: 'the sent mails are deleted',
  });
  t.strictSame(
    (await waiting(service)).map(({ attempts }) => attempts),
    [1, 1],
    'success of another mail does not reschedule them',
  );
  await service.rows(
    `update identity.mail_outbox set created = now() - interval '25 hours', next_attempt = now()`,
  );
  await until(
    async () =>
      (
        await service.rows(
          `select from identity.mail_outbox where status = 'dead' and wrapped_mail is null`,
        )
      ).length === 2,
    { what: 'after a day they are given up' },
  );
});

test('a silent mail server slows no request, and a mail to it times out', async (t) => {
  const silent = await startFaultProxy({ target: { host: '127.0.0.1', port: 9 } });
  silent.mode('blackhole');
  t.teardown(() => silent.stop());
  const service = await buildWithMail(t, {
    SMTP_URL: `smtp://127.0.0.1:${silent.port}`,
    MAIL_TIMEOUT_MS: '300',
  });
  const { token } = await service.register(ADA);
  await forgot(service);
  await until(
    async () =>
      (await service.rows('select from identity.mail_outbox where claim is not null')).length === 1,
    { what: 'an attempt is under way' },
  );
  const begin = performance.now();
  t.equal((await service.call('GET', '/api/users/me', { token })).statusCode, 200);
  t.ok(performance.now() - begin < timeBound(250));
  await until(
    async () =>
      (await service.rows('select from identity.mail_outbox where claim is null and attempts = 1'))
        .length === 1,
    { what: 'the attempt timed out, and the mail waits', timeoutMs: timeBound(5_000) },
  );
});

test('erasing a user deletes the waiting mails', async (t) => {
  const service = await buildWithMail(t);
  const { token } = await service.register(ADA);
  await service.catcher.stop();
  await forgot(service);
  await service.call('POST', '/api/users/me/email', {
    token,
    body: { email: 'new@example.com', password: PASSWORD },
  });
  await until(
    async () => (await waiting(service)).filter(({ attempts }) => attempts > 0).length === 3,
    { what: 'three mails wait' },
  );
  t.equal(
    (await service.call('DELETE', '/api/users/me', { token, body: { password: PASSWORD } }))
      .statusCode,
    204,
  );
  for (const table of ['mail_outbox', 'reset_tokens', 'email_changes', 'recovery_requests'])
    t.strictSame(await service.rows(`select from identity.${table}`), [], table);
});

test('line breaks in addresses or subjects inject no header', async (t) => {
  const service = await buildWithMail(t);
  const { token } = await service.register(ADA);
  for (const email of [
    'a@b.co\r\nBcc: eve@example.com',
    'a@b.co\nBcc:eve@example.com',
    'a\r@b.co',
    '"a\r\n"@b.co',
    'a@b.co,eve@example.com',
    'a@b.co eve@example.com',
    '<a@b.co>',
    'Eve <eve@b.co>',
    'a@b.co\u2028Bcc: x@y.co',
    'a@b.co\u0085x',
  ]) {
    t.equal(
      (
        await service.call('POST', '/api/users/me/email', {
          token,
          body: { email, password: PASSWORD },
        })
      ).json().code,
      'email_malformed',
      encodeURIComponent(email),
    );
    t.equal(
      (await forgot(service, email)).json().code,
      'email_malformed',
      encodeURIComponent(email),
    );
  }
  t.strictSame(await service.rows('select from identity.mail_outbox'), []);
  const { createMailer } = await import('../../mail/mailer.ts');
  const mailer = createMailer({
    url: service.catcher.smtpUrl,
    from: 'Muniment <no-reply@muniment.example>',
    timeoutMs: timeBound(2_000),
  });
  const injected = '\r\nBcc: eve@example.com\r\n\r\nbody';
  await mailer.send({ id: '1', to: ADA, subject: `hello${injected}`, text: 'text', html: 'html' });
  await mailer.send({
    id: '2',
    to: `${ADA}${injected}`,
    subject: 'hello',
    text: 'text',
    html: 'html',
  });
  for (const mail of service.catcher.mails()) {
    t.notOk(
      mail.headers.some(({ name }) => name === 'bcc'),
      'no such header',
    );
    t.notOk(
      mail.to.some((address) => address.startsWith('eve@')),
      'no other recipient',
    );
    t.equal(mail.text.trim(), 'text');
  }
  t.ok(service.catcher.mails().length > 0);
});
