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

const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg', 'base64');
const file = (content: Uint8Array<ArrayBuffer> | string, name: string): File =>
  new File([content], name);

function formOf(parts: Record<string, string | File>): FormData {
  const form = new FormData();
  for (const [name, part] of Object.entries(parts)) form.append(name, part);
  return form;
}

test("seed 003's files are uploaded by PATCH, at both paths", async (t) => {
  const fleet = await shareFleet();
  const [vendor, customer] = [await signUp(fleet, 'vendor'), await signUp(fleet, 'customer')];
  const { token } = vendor;
  const made = await fleet.call('POST', '/api/vendor-profiles', {
    token,
    json: { business_type: 'Technology', business_name: 'Tech Solutions Inc.' },
  });
  const { id } = (await made.json()) as Profile;
  const first = await fleet.call('PATCH', `/vendor-profiles/${id}/files`, {
    token,
    body: formOf({
      logo: file(PNG, 'logo.png'),
      business_registration_certificate: file('%PDF-1.7\n', 'registration.pdf'),
    }),
  });
  t.equal(first.status, 200);
  const { logo, business_registration_certificate: certificate } = (await first.json()) as Profile;
  const second = await fleet.call('PATCH', `/api/vendor-profiles/${id}/files`, {
    token,
    body: formOf({ logo: file(PNG, 'second.png') }),
  });
  t.equal(second.status, 200);
  const shown = (await second.json()) as Profile;
  t.equal(shown.business_registration_certificate, certificate, 'the other one stays');
  t.not(shown.logo, logo);

  const image = await fleet.call('GET', `/api/files/vendor-logos/${id}`, { token: customer.token });
  t.equal(image.headers.get('content-type'), 'image/png');
  t.same(Buffer.from(await image.arrayBuffer()), PNG, 'every signed-in user sees it');
  const secret = `/api/files/vendor-certificates/${id}`;
  const hidden = await fleet.call('GET', secret, { token: customer.token });
  await isProblem(t, hidden, 403, 'permission_denied', 'the certificate');
  t.equal((await fleet.call('GET', secret, { token })).status, 200);
  const svg = await fleet.call('PATCH', `/vendor-profiles/${id}/files`, {
    token,
    body: formOf({ logo: file('<svg xmlns="http://www.w3.org/2000/svg"/>', 'logo.png') }),
  });
  await isProblem(t, svg, 415, 'file_type_refused', 'an SVG');
  const internal = await fleet.call('POST', '/internal/forms', { token, body: formOf({}) });
  await isProblem(t, internal, 404, 'not_found', "the services' own path");

  const logs = await until(
    async () => {
      const found = (await fleet.trail(token)).filter(({ action }) => /FILE/.test(action));
      return found.length === 7 && found;
    },
    { what: 'the changes are in the trail', timeoutMs: timeBound(10_000) },
  );
  t.strictSame(logs.map(({ action }) => action).toSorted(), [
    'FILE_DOWNLOAD',
    'FILE_UPLOAD',
    'FILE_UPLOAD',
    'FILE_UPLOAD',
    'VENDOR_PROFILE_CREATED',
    'VENDOR_PROFILE_UPDATED',
    'VENDOR_PROFILE_UPDATED',
  ]);
});

test('a profile is made and changed by one form, and a retry makes no second file', async (t) => {
  const fleet = await shareFleet();
  const rows = await openDatabase(t, fleet);
  const vendor = await signUp(fleet, 'vendor');
  const { token } = vendor;
  const create = (): Promise<Response> =>
    fleet.call('POST', '/vendor-profiles', {
      token,
      body: formOf({
        business_type: 'Technology',
        business_name: 'Tech Solutions Inc.',
        employee_count: '50',
        working_days: 'Mon - Fri',
        company_name: '',
        logo: file(PNG, 'logo.png'),
      }),
      headers: { 'idempotency-key': `profile-${vendor.user.id}` },
    });
  const made = await create();
  t.equal(made.status, 201);
  const profile = (await made.json()) as Profile;
  t.match(profile, { employee_count: 50, company_name: null, logo: String });
  const again = await create();
  t.strictSame([again.status, again.headers.get('idempotent-replayed')], [201, 'true']);
  t.equal(((await again.json()) as Profile).logo, profile.logo);
  const changed = await fleet.call('PATCH', `/vendor-profiles/${profile.id}`, {
    token,
    body: formOf({ city: 'Boston', logo: file(PNG, 'new.png') }),
  });
  t.equal(changed.status, 200);
  t.match(await changed.json(), { city: 'Boston', employee_count: 50 });
  const wrong = await fleet.call('PATCH', `/vendor-profiles/${profile.id}`, {
    token,
    body: formOf({ establishment: 'long ago', logo: file(PNG, 'lost.png') }),
  });
  await isProblem(t, wrong, 400, 'validation_failed', 'a field beside a file');
  const files = await rows<{ name: string; claimed: boolean }>(
    `select name, unclaimed_since is null as claimed from files.files
     join files.profile_files on file_id = id where user_id = $1 order by id`,
    [vendor.user.id],
  );
  t.strictSame(files, [
    { name: 'logo.png', claimed: false },
    { name: 'new.png', claimed: true },
    { name: 'lost.png', claimed: false },
  ]);
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
