import { test } from 'tap';
import { asksNobodyElse, authorize, openOperation, press } from '../api-page.ts';
import { findChromium, openPage, withChromium } from '../browser.ts';
import { shareFleet } from '../fleet.ts';

const PHONE = 360;

test(
  'the page of the API signs in by Authorize, tries a route and asks nobody else',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const { token, user } = await fleet.signUp();
    const page = await openPage(t, findChromium() ?? '');
    await page.setWidth(1100);
    await page.open(`${fleet.url}/api/docs`);
    await page.reads('Registration and login');
    await authorize(page, token);

    await press(page, '#operations-tag-account');
    const profile = openOperation(page, 'get_profile');
    await profile.open();
    t.match(await profile.execute(), { status: 200, body: { id: user.id } });
    const sent = page.requests.find(({ url }) => url === `${fleet.url}/api/users/me`);
    t.equal(sent?.headers['authorization'], `Bearer ${token}`);
    asksNobodyElse(t, fleet, page);
  },
);

test('the page of live connections fits a phone and runs no script', withChromium, async (t) => {
  const fleet = await shareFleet();
  const page = await openPage(t, findChromium() ?? '');
  await page.setWidth(PHONE);
  await page.open(`${fleet.url}/api/docs/async`);
  await page.reads('auth/generateToken');
  await page.reads('Last-Event-ID');
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE, 'nothing is wider');
  t.equal(await page.evaluate('document.scripts.length'), 0);
  asksNobodyElse(t, fleet, page);
});
