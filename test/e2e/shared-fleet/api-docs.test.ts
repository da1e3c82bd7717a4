import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { findChromium, openPage, type Page } from '../browser.ts';
import { shareFleet, type Fleet } from '../fleet.ts';

const chromium = findChromium();
const withChromium =
  chromium === undefined
    ? { skip: 'no Chromium is installed (Debian: apt-get install chromium)' }
    : {};
const PROFILE = '[id$="get_profile"]';
const PHONE = 360;

const exists = (page: Page, selector: string): Promise<unknown> =>
  until(
    () => page.evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`),
    { what: selector },
  );

function asksNobodyElse(t: Test, fleet: Fleet, page: Page): void {
  for (const { url } of page.requests.filter((one) => !/^(about|data):/.test(one.url)))
    t.equal(new URL(url).origin, fleet.url, `${url} is ours`);
  t.strictSame(page.errors, [], 'no script failed, and the policy refused nothing');
}

/** Clicks once the element is there: Swagger UI draws each step anew. */
async function press(page: Page, selector: string): Promise<void> {
  await exists(page, selector);
  await page.click(selector);
}

test(
  'the page of the API signs in by Authorize, tries a route and asks nobody else',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const { token, user } = await fleet.signUp();
    const page = await openPage(t, chromium ?? '');
    await page.setWidth(1100);
    await page.open(`${fleet.url}/api/docs`);
    await page.reads('Registration and login');

    await press(page, '.btn.authorize');
    await press(page, '#auth-bearer-value');
    await page.evaluate('document.querySelector("#auth-bearer-value").focus()');
    await page.type(token);
    await press(page, '.auth-container .btn.authorize');
    await press(page, '.btn-done');

    await press(page, '#operations-tag-account');
    await press(page, `${PROFILE} .opblock-summary-control`);
    await press(page, `${PROFILE} .btn.execute`);
    await page.reads(user.id);
    const sent = page.requests.find(({ url }) => url === `${fleet.url}/api/users/me`);
    t.equal(sent?.headers['authorization'], `Bearer ${token}`);

    asksNobodyElse(t, fleet, page);
  },
);

test('the page of live connections fits a phone and runs no script', withChromium, async (t) => {
  const fleet = await shareFleet();
  const page = await openPage(t, chromium ?? '');
  await page.setWidth(PHONE);
  await page.open(`${fleet.url}/api/docs/async`);
  await page.reads('auth/generateToken');
  await page.reads('Last-Event-ID');
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE, 'nothing is wider');
  t.equal(await page.evaluate('document.scripts.length'), 0);
  asksNobodyElse(t, fleet, page);
});
