import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { PASSWORD, shareFleet, type Fleet, type SignedIn } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

interface Profile {
  id: string;
  user_id: string;
  [name: string]: unknown;
}
interface Page {
  data: Profile[];
  next_cursor: string | null;
}

let accounts = 0;

async function signUp(fleet: Fleet, type: 'vendor' | 'customer'): Promise<SignedIn> {
  accounts += 1;
  const answer = await fleet.call('POST', '/signup', {
    json: { email: `seed-003-${accounts}@example.com`, password: PASSWORD, type },
  });
  return (await answer.json()) as SignedIn;
}

test("seed 003's vendor profiles work at the document's paths on two replicas", async (t) => {
  const fleet = await shareFleet();
  const vendor = await signUp(fleet, 'vendor');
  const customer = await signUp(fleet, 'customer');
  const { token } = vendor;
  const get = async (path: string, as = customer): Promise<Profile & Page> => {
    const answer = await fleet.call('GET', path, { token: as.token });
    t.equal(answer.status, 200, path);
    return (await answer.json()) as Profile & Page;
  };

  // The document's request, with the vendor's id in the place of its 1.
  const request = {
    user_id: vendor.user.id,
    business_type: 'Technology',
    business_name: 'Tech Solutions Inc.',
    company_name: 'Tech Solutions LLC',
    contact_person: 'John Doe',
    designation: 'CEO',
    country: 'United States',
    city: 'New York',
    website: 'https://techsolutions.com',
    employee_count: 50,
    establishment: 2020,
  };
  const made = await fleet.call('POST', '/vendor-profiles', { token, json: request });
  t.equal(made.status, 201);
  const profile = (await made.json()) as Profile;
  t.match(profile, request);
  const { id } = profile;

  const { contact_person: _, designation: __, ...publicFields } = request;
  for (const path of [`/vendor-profiles/${id}`, `/vendor-profiles/user/${vendor.user.id}`]) {
    const shown = await get(path);
    t.match(shown, publicFields);
    t.notOk('contact_person' in shown || 'gst_number' in shown, 'others see public fields only');
    t.match(await get(path, vendor), request);
  }
  for (const path of [
    '/vendor-profiles?limit=200',
    '/vendor-profiles/search?q=solut',
    '/vendor-profiles/by-business-type/technology?limit=200',
    '/vendor-profiles/by-country/US',
    '/vendor-profiles/by-country/United%20States',
  ]) {
    for (const prefix of ['', '/api']) {
      const { data, next_cursor: next } = await get(prefix + path);
      t.ok(data.some((one) => one.id === id) && next === null, prefix + path);
    }
  }

  const changed = await fleet.call('PATCH', `/vendor-profiles/${id}`, {
    token,
    json: { city: 'Boston', workingDays: 'Mon - Fri' },
    headers: { 'if-match': made.headers.get('etag') ?? '' },
  });
  t.equal(changed.status, 200);
  t.match(await changed.json(), { city: 'Boston', contact_person: 'John Doe' });
  const stale = await fleet.call('PATCH', `/vendor-profiles/${id}`, {
    token,
    json: { city: 'Oslo' },
    headers: { 'if-match': made.headers.get('etag') ?? '' },
  });
  await isProblem(t, stale, 412, 'precondition_failed', 'a stale tag');
  const foreign = await fleet.call('DELETE', `/vendor-profiles/${id}`, { token: customer.token });
  await isProblem(t, foreign, 403, 'permission_denied', 'a customer');

  const deleted = await fleet.call('DELETE', `/vendor-profiles/${id}`, { token });
  t.equal(deleted.status, 204);
  const absent = await fleet.call('GET', `/vendor-profiles/${id}`, { token });
  await isProblem(t, absent, 404, 'vendor_profile_not_found', 'a deleted one');

  const logs = await until(
    async () => {
      const found = (await fleet.trail(token)).filter(({ resource }) => resource === id);
      return found.length === 3 && found;
    },
    { what: 'the changes are in the trail', timeoutMs: timeBound(10_000) },
  );
  t.strictSame(
    logs.map((log) => [log.id, log.action]),
    [
      [made.headers.get('audit-event'), 'VENDOR_PROFILE_CREATED'],
      [changed.headers.get('audit-event'), 'VENDOR_PROFILE_UPDATED'],
      [deleted.headers.get('audit-event'), 'VENDOR_PROFILE_DELETED'],
    ],
  );
});

test('a suspended vendor is hidden on every replica at once', async (t) => {
  const fleet = await shareFleet();
  const rows = await openDatabase(t, fleet);
  const [vendor, customer] = [await signUp(fleet, 'vendor'), await signUp(fleet, 'customer')];
  const made = await fleet.call('POST', '/vendor-profiles', {
    token: vendor.token,
    json: { businessType: 'Ghost', businessName: 'Ghost Ltd' },
  });
  const { id } = (await made.json()) as Profile;
  await rows(`update identity.users set status = 'suspended' where id = $1`, [vendor.user.id]);
  for (let n = 0; n < 4; n += 1) {
    const answer = await fleet.call('GET', `/vendor-profiles/${id}`, { token: customer.token });
    await isProblem(t, answer, 404, 'vendor_profile_not_found', 'the profile');
  }
});
