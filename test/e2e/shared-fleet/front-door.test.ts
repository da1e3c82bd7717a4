import { readFile } from 'node:fs/promises';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { findChromium, openPage, type Page } from '../browser.ts';
import { PASSWORD, shareFleet, type Fleet } from '../fleet.ts';

const NEW_PASSWORD = 'a better horse battery';
const PHONE = 360;
const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const chromium = findChromium();
const withChromium =
  chromium === undefined
    ? { skip: 'no Chromium is installed (Debian: apt-get install chromium)' }
    : {};

/** The link in the newest mail to an address, once there are `count` with one. */
async function mailedLink(fleet: Fleet, to: string, count = 1): Promise<string> {
  const mail = (await fleet.describe()).mail as {
    page: string;
    user?: string;
    passwordFile?: string;
  };
  const password = mail.passwordFile ? (await readFile(mail.passwordFile, 'utf8')).trim() : '';
  const authorization = `Basic ${Buffer.from(`${mail.user}:${password}`).toString('base64')}`;
  let links: string[] = [];
  await until(
    async () => {
      const answer = await fetch(`${mail.page}/api/messages?to=${encodeURIComponent(to)}`, {
        headers: { authorization },
      });
      const mails = (await answer.json()) as { text: string }[];
      links = mails.flatMap(({ text }) => /\S+#token=\S+/.exec(text)?.[0] ?? []);
      return links.length >= count;
    },
    { what: `mail ${count} with a link to ${to}` },
  );
  return links[0] ?? '';
}

async function forgotPassword(fleet: Fleet, email: string, count = 1): Promise<string> {
  const answer = await fleet.call('POST', '/api/auth/forgot-password', { json: { email } });
  if (answer.status !== 202) throw new Error(`forgot-password answered ${answer.status}`);
  return mailedLink(fleet, email, count);
}

/** What a page of a link may never do, whatever happened on it. */
async function keepsToken(
  t: Test,
  { fleet, page, link }: { fleet: Fleet; page: Page; link: string },
): Promise<void> {
  const token = link.split('#token=')[1] ?? '';
  t.equal(await page.evaluate('location.hash'), '', 'the address bar has no token');
  for (const url of await page.history()) t.notMatch(url, token, 'nor has the history');
  for (const { url, headers } of page.requests.filter(({ url }) => !url.startsWith('about:'))) {
    t.equal(new URL(url).origin, fleet.url, `${url} is ours`);
    t.notMatch(url.split('#')[0] ?? '', token, 'no URL carries the token');
    t.equal(headers.referer ?? '', '', `${url} tells no referrer`);
  }
  t.strictSame(page.errors, []);
}

test('each link of the front page leads somewhere', async (t) => {
  const fleet = await shareFleet();
  const page = await (await fleet.call('GET', '/', { headers: BROWSER })).text();
  const links = [...page.matchAll(/<a href="([^"]+)"/g)].map(([, href = '']) => href);
  t.ok(links.length >= 6);
  const { mail } = await fleet.describe();
  t.ok(links.includes(mail.page), 'the mail catcher is one of them');
  for (const link of links.filter((one) => one !== mail.page))
    t.equal((await fleet.call('GET', `/${link}`)).status, 200, link);
  t.match(await (await fleet.call('GET', '/')).json(), { status: 404, code: 'not_found' });
});

test(
  'a mailed link sets a password on a phone and tells its token to nobody',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const { user } = await fleet.signUp();
    const link = await forgotPassword(fleet, user.email);
    t.equal(link.split('#')[0], `${fleet.url}/reset-password`);
    const page = await openPage(t, chromium ?? '');
    await page.setWidth(PHONE);
    await page.open(link);
    await page.reads('New password');
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE, 'nothing is wider');
    t.equal(await page.evaluate('document.activeElement.type'), 'password', 'the field is masked');
    await keepsToken(t, { fleet, page, link });

    await page.type('short');
    await page.click('button');
    await page.reads('8');
    t.ok(await page.evaluate('!document.querySelector("form").hidden'), 'another try is possible');
    await page.evaluate('document.querySelector("#password").select()');
    await page.type(NEW_PASSWORD);
    await page.click('#show');
    t.equal(await page.evaluate('document.querySelector("#password").type'), 'text');
    await page.click('button');
    await page.reads('Your new password is set');
    t.equal(await page.evaluate('document.querySelector("#password").value'), '');
    await keepsToken(t, { fleet, page, link });
    const posts = page.requests.filter(({ method }) => method === 'POST');
    t.equal(posts.length, 2);
    t.match(posts[0], {
      url: `${fleet.url}/api/auth/reset-password`,
      headers: { 'content-type': 'application/json', cookie: undefined },
    });

    const login = (password: string): Promise<Response> =>
      fleet.call('POST', '/login', { json: { email: user.email, password } });
    t.equal((await login(NEW_PASSWORD)).status, 200);
    t.equal((await login(PASSWORD)).status, 401);
  },
);

test('a used link says so, and a newer one works in the same tab', withChromium, async (t) => {
  const fleet = await shareFleet();
  const { user } = await fleet.signUp();
  const used = await forgotPassword(fleet, user.email);
  await fleet.call('POST', '/api/auth/reset-password', {
    json: { token: used.split('#token=')[1], password: NEW_PASSWORD },
  });
  const page = await openPage(t, chromium ?? '');
  await page.open(`${fleet.url}/reset-password`);
  await page.reads('Open the link in your mail');
  t.ok(await page.evaluate('document.querySelector("form").hidden'));
  await page.open(used);
  await page.reads('New password');
  await page.type(NEW_PASSWORD);
  await page.click('button');
  await page.reads('This link is not valid any more');

  const newer = await forgotPassword(fleet, user.email, 2);
  await page.open(newer);
  await page.reads('Set the password');
  await page.type('the newest horse battery');
  await page.click('button');
  await page.reads('Your new password is set');
  await keepsToken(t, { fleet, page, link: newer });
});

test(
  'a mailed link confirms an address at the press of a button, not before',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const { user, token } = await fleet.signUp();
    const email = `confirmed-${process.pid}@example.com`;
    const asked = await fleet.call('POST', '/api/users/me/email', {
      token,
      json: { email, password: PASSWORD },
    });
    t.equal(asked.status, 202);
    const link = await mailedLink(fleet, email);
    t.equal(link.split('#')[0], `${fleet.url}/confirm-email`);
    const address = async (): Promise<string> =>
      ((await (await fleet.call('GET', '/api/users/me', { token })).json()) as { email: string })
        .email;
    const page = await openPage(t, chromium ?? '');
    await page.setWidth(PHONE);
    await page.open(link);
    await page.reads('Confirm the address');
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE);
    t.equal(await address(), user.email, 'a scanner that opens the link confirms nothing');
    await page.click('button');
    await page.reads('Your address is confirmed');
    t.equal(await address(), email);
    await keepsToken(t, { fleet, page, link });
  },
);

test(
  'the front page tells the health, fits a phone and loads nothing foreign',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const page = await openPage(t, chromium ?? '');
    await page.setWidth(PHONE);
    await page.open(fleet.url);
    await page.reads('all is well');
    await page.reads('mail catcher');
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE);
    await keepsToken(t, { fleet, page, link: '#token=absent' });
  },
);
