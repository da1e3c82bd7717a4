import { test } from 'tap';
import { PASSWORD } from '../build.ts';
import { buildWithMail, tokenIn } from '../mailbox.ts';

const OLD = 'ada@example.com';
const NEW = 'Countess@example.com';

test('a change of address is confirmed by the new one and announced to the old', async (t) => {
  const { call, register, mailsTo, rows, events } = await buildWithMail(t);
  const { user, token } = await register(OLD);
  const asked = await call('POST', '/api/users/me/email', {
    token,
    body: { email: NEW, password: PASSWORD },
  });
  t.strictSame([asked.statusCode, asked.json()], [202, { status: 'accepted' }]);
  t.match(await mailsTo(OLD), [
    { subject: 'Your Muniment address is about to be changed', text: /Countess@example\.com/ },
  ]);
  const [mail] = await mailsTo(NEW);
  t.match(mail?.text, /https:\/\/app\.example\/confirm-email#token=mec_[\w-]{43}\n/);
  t.equal(
    (await call('GET', '/api/users/me', { token })).json().email,
    OLD,
    'nothing has changed yet',
  );

  t.equal(
    (await call('POST', '/api/auth/confirm-email', { body: { token: tokenIn(mail) } })).statusCode,
    204,
  );
  t.match((await call('GET', '/api/users/me', { token })).json(), {
    email: NEW,
    is_verified: true,
  });
  t.equal(
    (await call('POST', '/login', { body: { email: 'countess@example.com', password: PASSWORD } }))
      .statusCode,
    200,
  );
  t.equal(
    (await call('POST', '/login', { body: { email: OLD, password: PASSWORD } })).statusCode,
    401,
  );
  t.match((await mailsTo(OLD, 2))[1], { subject: 'Your Muniment address was changed' });
  t.match((await events()).slice(1, 3), [
    {
      action: 'EMAIL_CHANGE_REQUESTED',
      outcome: 'success',
      user_id: user.id,
      personal: { subject: user.id },
    },
    {
      action: 'USER_UPDATED',
      outcome: 'success',
      user_id: user.id,
      personal: { subject: user.id },
      metadata: { fields: ['email'] },
    },
  ]);
  t.strictSame(await rows('select from identity.email_changes'), []);
  t.equal(
    (await call('POST', '/api/auth/confirm-email', { body: { token: tokenIn(mail) } })).json().code,
    'email_token_invalid',
    'once only',
  );
});

test('only the reader of the mailbox learns that an address is taken', async (t) => {
  const { call, register, mailsTo, rows, events } = await buildWithMail(t);
  await register(NEW);
  const { user, token } = await register(OLD);
  const ask = (email: string) =>
    call('POST', '/api/users/me/email', { token, body: { email, password: PASSWORD } });
  const taken = await ask('COUNTESS@example.com');
  const linkOf = tokenIn((await mailsTo('COUNTESS@example.com'))[0]);
  const refused = await call('POST', '/api/auth/confirm-email', { body: { token: linkOf } });
  t.match(refused.json(), { status: 409, code: 'email_taken' });
  t.match((await events()).at(-1), {
    action: 'USER_UPDATED',
    outcome: 'failure',
    error: 'email_taken',
    personal: { subject: user.id },
  });
  t.strictSame(
    (await rows<{ email: string }>('select email from identity.users order by created')).map(
      ({ email }) => email,
    ),
    [NEW, OLD],
  );
  const free = await ask('free@example.com');
  t.strictSame([taken.statusCode, taken.body], [free.statusCode, free.body]);
});

test('the first of two users to confirm an address gets it', async (t) => {
  const { call, register, mailsTo } = await buildWithMail(t);
  const links: string[] = [];
  for (const name of ['one', 'two']) {
    const { token } = await register(`${name}@example.com`);
    await call('POST', '/api/users/me/email', { token, body: { email: NEW, password: PASSWORD } });
    links.push(tokenIn((await mailsTo(NEW, links.length + 1)).at(-1)));
  }
  const answers = await Promise.all(
    links.map((token) => call('POST', '/api/auth/confirm-email', { body: { token } })),
  );
  t.strictSame(new Set(answers.map(({ statusCode }) => statusCode)), new Set([204, 409]));
});

test('a wrong password asks for nothing, and is a failed attempt', async (t) => {
  const { call, register, rows, events } = await buildWithMail(t);
  const { token } = await register(OLD);
  t.match(
    (
      await call('POST', '/api/users/me/email', {
        token,
        body: { email: NEW, password: 'not her password' },
      })
    ).json(),
    { status: 403, code: 'password_incorrect' },
  );
  t.strictSame(await rows('select from identity.mail_outbox'), []);
  t.match((await events()).at(-1), {
    action: 'EMAIL_CHANGE_REQUESTED',
    outcome: 'failure',
    error: 'password_incorrect',
  });
});

test('a new password voids a pending change of address', async (t) => {
  const { call, register, mailsTo, resetTokenOf } = await buildWithMail(t);
  const { token } = await register(OLD);
  await call('POST', '/api/users/me/email', { token, body: { email: NEW, password: PASSWORD } });
  const link = tokenIn((await mailsTo(NEW))[0]);
  await mailsTo(OLD);
  const reset = await resetTokenOf(OLD);
  t.equal(
    (
      await call('POST', '/api/auth/reset-password', {
        body: { token: reset, password: 'the owner is back' },
      })
    ).statusCode,
    204,
  );
  t.equal(
    (await call('POST', '/api/auth/confirm-email', { body: { token: link } })).json().code,
    'email_token_invalid',
  );

  const again = (
    await call('POST', '/login', { body: { email: OLD, password: 'the owner is back' } })
  ).json().token as string;
  await mailsTo(OLD, 3);
  await call('POST', '/api/users/me/email', {
    token: again,
    body: { email: NEW, password: 'the owner is back' },
  });
  const second = tokenIn((await mailsTo(NEW, 2))[1]);
  await mailsTo(OLD, 4);
  const stale = await resetTokenOf(OLD);
  t.equal(
    (await call('POST', '/api/auth/confirm-email', { body: { token: second } })).statusCode,
    204,
  );
  t.equal(
    (
      await call('POST', '/api/auth/reset-password', {
        body: { token: stale, password: 'from the old mailbox' },
      })
    ).json().code,
    'reset_token_invalid',
  );
});

test('a changed password voids a pending change of address too', async (t) => {
  const { call, register, mailsTo, rows } = await buildWithMail(t);
  const { token } = await register(OLD);
  await call('POST', '/api/users/me/email', { token, body: { email: NEW, password: PASSWORD } });
  const link = tokenIn((await mailsTo(NEW))[0]);
  const passwords = { current_password: PASSWORD, new_password: 'the owner has noticed' };
  t.equal(
    (await call('POST', '/api/users/me/password', { token, body: passwords })).statusCode,
    200,
  );
  t.match((await call('POST', '/api/auth/confirm-email', { body: { token: link } })).json(), {
    code: 'email_token_invalid',
  });
  t.strictSame(await rows('select email from identity.users'), [{ email: OLD }]);
});

test('confirming the current address verifies it and sends no other mail', async (t) => {
  const { call, register, mailsTo, catcher } = await buildWithMail(t);
  const { token } = await register(OLD);
  await call('POST', '/api/users/me/email', { token, body: { email: OLD, password: PASSWORD } });
  t.equal(
    (
      await call('POST', '/api/auth/confirm-email', {
        body: { token: tokenIn((await mailsTo(OLD))[0]) },
      })
    ).statusCode,
    204,
  );
  t.match((await call('GET', '/api/users/me', { token })).json(), {
    email: OLD,
    is_verified: true,
  });
  t.equal(catcher.mails().length, 1);
});

test('of twenty parallel confirmations with one token one counts', async (t) => {
  const { call, register, mailsTo, events } = await buildWithMail(t);
  const { token } = await register(OLD);
  await call('POST', '/api/users/me/email', { token, body: { email: NEW, password: PASSWORD } });
  const link = tokenIn((await mailsTo(NEW))[0]);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      call('POST', '/api/auth/confirm-email', { body: { token: link } }),
    ),
  );
  t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1);
  t.equal((await events()).filter(({ action }) => action === 'USER_UPDATED').length, 1);
});
