import { request } from 'node:http';
import { createTransport } from 'nodemailer';
import { test } from 'tap';
import { startMailCatcher } from '../../src/index.ts';
import { createMailStore } from '../../src/mail/mail-store.ts';

test('mails are shown as JSON and on a page that runs nothing of them', async (t) => {
  const catcher = await startMailCatcher();
  t.teardown(() => catcher.stop());
  const transport = createTransport({ url: catcher.smtpUrl });
  const hostile = '<script>alert(1)</script>';
  for (const to of ['ada@example.com', 'Bob@example.com'])
    await transport.sendMail({
      from: 'Muniment <no-reply@muniment.example>',
      to,
      subject: `hello ${hostile}`,
      text: `see https://app.example/#token=x ${hostile}`,
      html: `<b>hello</b>${hostile}`,
    });
  const get = (path: string) => fetch(`http://127.0.0.1:${catcher.pagePort}${path}`);
  t.match(await (await get('/api/messages')).json(), [
    { to: ['Bob@example.com'] },
    { to: ['ada@example.com'], from: 'no-reply@muniment.example', subject: `hello ${hostile}` },
  ]);
  t.match(await (await get('/api/messages?to=bob@example.com')).json(), [
    { to: ['Bob@example.com'], text: /#token=x/, html: /<b>hello<\/b>/ },
  ]);
  const page = await get('/');
  t.match(page.headers.get('content-security-policy'), /default-src 'none'/);
  const html = await page.text();
  t.match(html, /<a href="https:\/\/app\.example\/#token=x">/);
  t.notMatch(html, /<script/);
  t.equal(
    (
      await fetch(`${catcher.pageUrl.replace('localhost', '127.0.0.1')}/api/messages`, {
        method: 'DELETE',
      })
    ).status,
    204,
  );
  t.strictSame(await (await get('/api/messages')).json(), []);
  t.equal((await get('/other')).status, 404);
});

test('another host name for the loopback is refused', async (t) => {
  const catcher = await startMailCatcher();
  t.teardown(() => catcher.stop());
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(
      {
        port: catcher.pagePort,
        host: '127.0.0.1',
        path: '/api/messages',
        headers: { host: 'rebound.example' },
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    )
      .on('error', reject)
      .end();
  });
  t.equal(status, 421);
});

test('with credentials neither page nor SMTP serves anybody else', async (t) => {
  const credentials = { user: 'muniment', password: 'p'.repeat(43) };
  const catcher = await startMailCatcher({ credentials });
  t.teardown(() => catcher.stop());
  const mail = { from: 'a@b.co', to: 'c@d.co', text: 'x' };
  const send = (userInfo: string) =>
    createTransport({ url: catcher.smtpUrl.replace('//', `//${userInfo}`) }).sendMail(mail);
  await t.rejects(send(''), { message: / 530 / });
  await t.rejects(send(`muniment:${'q'.repeat(43)}@`), { message: / 535 / });
  await t.rejects(send(`root:${credentials.password}@`), { message: / 535 / });
  t.same(catcher.mails(), []);
  await send(`muniment:${credentials.password}@`);
  t.equal(catcher.mails().length, 1);

  const url = `http://127.0.0.1:${catcher.pagePort}`;
  const ask = (path: string, userInfo?: string, method = 'GET') =>
    fetch(url + path, {
      method,
      ...(userInfo !== undefined && { headers: { authorization: `Basic ${btoa(userInfo)}` } }),
    });
  for (const userInfo of [undefined, '', 'muniment', 'muniment:', `:${credentials.password}`])
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/api/messages'],
      ['DELETE', '/api/messages'],
    ] as const) {
      const refused = await ask(path, userInfo, method);
      t.equal(refused.status, 401, `${method} ${path} as ${userInfo ?? 'nobody'}`);
      t.match(refused.headers.get('www-authenticate'), /^Basic realm="mails"/);
      t.notMatch(await refused.text(), 'c@d.co');
    }
  const shown = await ask('/api/messages', `muniment:${credentials.password}`);
  t.match(await shown.json(), [{ to: ['c@d.co'] }]);
  t.equal((await ask('/health')).status, 200, 'the probe needs no password');
});

test('a mail over 1 MiB is refused, and the next one is accepted', async (t) => {
  const catcher = await startMailCatcher();
  t.teardown(() => catcher.stop());
  const transport = createTransport({ url: catcher.smtpUrl });
  await t.rejects(
    transport.sendMail({ from: 'a@b.co', to: 'c@d.co', text: 'x'.repeat(1_100_000) }),
    { message: /larger than 1 MiB/ },
  );
  await transport.sendMail({ from: 'a@b.co', to: 'c@d.co', text: 'small' });
  t.equal(catcher.mails().length, 1);
});

test('only the newest mails are stored, by number and by size', async (t) => {
  const store = createMailStore({ mails: 3, bytes: 300 });
  const raw = (subject: string, size = 50): Buffer =>
    Buffer.from(`Subject: ${subject}\r\n\r\n${'x'.repeat(size)}`);
  for (const subject of ['a', 'b', 'c', 'd']) await store.add({ from: '', to: [] }, raw(subject));
  t.strictSame(
    store.list().map(({ subject }) => subject),
    ['d', 'c', 'b'],
  );
  await store.add({ from: '', to: [] }, raw('large', 250));
  t.strictSame(
    store.list().map(({ subject }) => subject),
    ['large'],
  );
});
