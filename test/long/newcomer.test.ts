import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { asksNobodyElse, authorize, fill, openOperation, press } from '../e2e/api-page.ts';
import { findChromium, openPage, withChromium } from '../e2e/browser.ts';
import { shareFleet } from '../e2e/fleet.ts';

interface Profile {
  id: string;
}
interface Profiles {
  data: Profile[];
}

test(
  'with nothing but the page of the API, a vendor signs up and has a profile',
  withChromium,
  async (t) => {
    const fleet = await shareFleet();
    const page = await openPage(t, findChromium() ?? '');
    await page.setWidth(1100);
    await page.open(`${fleet.url}/api/docs`);
    await page.reads('Registration and login');

    await press(page, '#operations-tag-sign-in');
    const signUp = openOperation(page, 'register_user');
    await signUp.open();
    // The one change of an example: other tests of this fleet have its address.
    const body = `${signUp.block} textarea.body-param__text`;
    await press(page, `${signUp.block} .examples-select-element option[value="vendor"]`);
    await page.evaluate(`(() => {
      const choice = document.querySelector('${signUp.block} .examples-select-element');
      choice.value = 'vendor';
      choice.dispatchEvent(new Event('change', { bubbles: true }));
    })()`);
    const example = await until(
      async () => {
        const text = await page.evaluate<string>(`document.querySelector('${body}').value`);
        return text.includes('"vendor"') && text;
      },
      { what: 'the example of a vendor' },
    );
    await fill(page, body, example.replace('victor@', `victor-${randomUUID()}@`));
    const signedUp = await signUp.execute<{ token: string; user: { id: string } }>();
    t.match(signedUp, { status: 201, body: { user: { type: 'vendor' }, token: String } });
    const { token, user } = signedUp.body;
    await authorize(page, token);

    await press(page, '#operations-tag-vendor-profiles');
    const create = openOperation(page, 'create_vendor_profile');
    await create.open();
    const made = await create.execute<Profile>();
    t.match(made, { status: 201, body: { user_id: user.id, business_type: 'Technology' } });
    const { id } = made.body;

    const get = openOperation(page, 'get_vendor_profile');
    await get.open();
    await get.fill('id', id);
    t.match(await get.execute(), { status: 200, body: made.body });

    const list = openOperation(page, 'list_vendor_profiles');
    await list.open();
    t.ok((await list.execute<Profiles>()).body.data.some((one) => one.id === id));

    const byCountry = openOperation(page, 'list_by_country');
    await byCountry.open();
    await byCountry.fill('country', 'United States');
    t.ok((await byCountry.execute<Profiles>()).body.data.some((one) => one.id === id));

    const update = openOperation(page, 'update_vendor_profile');
    await update.open();
    await update.fill('id', id);
    t.match(await update.execute(), { status: 200, body: { id, city: 'Boston' } });

    const sent = page.requests.find(({ url }) => url === `${fleet.url}/api/vendor-profiles/${id}`);
    t.equal(sent?.headers['authorization'], `Bearer ${token}`);
    asksNobodyElse(t, fleet, page);
  },
);
