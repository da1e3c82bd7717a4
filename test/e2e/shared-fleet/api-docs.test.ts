import { test } from 'tap';
import { until } from '@muniment/testing';
import { findChromium, openPage, type Page } from '../browser.ts';
import { shareFleet } from '../fleet.ts';

const chromium = findChromium();
const withChromium =
  chromium === undefined
    ? { skip: 'no Chromium is installed (Debian: apt-get install chromium)' }
    : {};
const PROFILE = '[id="operations-account-account.get_profile"]';

const exists = (page: Page, selector: string): Promise<unknown> =>
  until(
    () => page.evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`),
    { what: selector },
  );

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

    for (const { url } of page.requests.filter((one) => !/^(about|data):/.test(one.url)))
      t.equal(new URL(url).origin, fleet.url, `${url} is ours`);
    t.strictSame(page.errors, [], 'no script failed, and the policy refused nothing');
  },
);
