import tap, { test } from 'tap';
import { build } from '../build.ts';
import { createVendors, TECH, type Profile } from './vendors.ts';

const server = await build(tap);
const { newUser, newPrivileged, newProfile } = createVendors(server);
const URL = '/api/vendor-profiles';
const ABSENT = '01890000-0000-7000-8000-000000000000';

const create = (token: string, body: object, headers: Record<string, string> = {}) =>
  server.call('POST', URL, { token, body, headers });
const eventsOf = async (id: string) =>
  (await server.events()).filter(({ resource }) => resource === id);

test("the seed document's request makes the vendor's profile, with its event", async (t) => {
  const { user, token } = await newUser();
  const answer = await create(token, { ...TECH, user_id: user.id });
  t.equal(answer.statusCode, 201, answer.body);
  const profile = answer.json<Profile>();
  t.match(profile, {
    ...TECH,
    user_id: user.id,
    country_code: 'US',
    logo: null,
    business_registration_certificate: null,
    working_days: [],
    payment_mode: [],
    created_by: user.id,
    updated_by: user.id,
    created_at: /Z$/,
    updated_at: /Z$/,
  });
  t.equal(answer.headers.location, `${URL}/${profile.id}`);
  t.match(await eventsOf(profile.id), [
    {
      id: answer.headers['audit-event'],
      action: 'VENDOR_PROFILE_CREATED',
      user_id: user.id,
      resource_type: 'vendor_profile',
      metadata: { vendor: user.id, fields: Object.keys(TECH).toSorted() },
    },
  ]);
  const shown = await server.call('GET', `${URL}/${profile.id}`, { token });
  t.strictSame(shown.json(), profile);
  t.equal(shown.headers.etag, answer.headers.etag);
  t.match(await server.rows('select * from identity.users where id = $1', [user.id]), [
    { is_profile_updated: true },
  ]);
});

test('camelCase names and plain texts for lists are taken, and stored in one form', async (t) => {
  const { token } = await newUser();
  const answer = await create(token, {
    businessType: 'Retail',
    businessName: '  Ada & Co ',
    contactPerson: 'Ada',
    country: 'in',
    gstNumber: '27 aapfu 0939f1zv',
    whatsappNumber: '+91 98765 43210',
    workingDays: 'Mon - Fri, Sun',
    paymentMode: 'Cash, UPI, cash',
    employeeCount: 0,
  });
  t.equal(answer.statusCode, 201, answer.body);
  t.match(answer.json(), {
    business_name: 'Ada & Co',
    country: 'in',
    country_code: 'IN',
    gst_number: '27AAPFU0939F1ZV',
    whatsapp_number: '+919876543210',
    working_days: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'sunday'],
    payment_mode: ['cash', 'UPI'],
    employee_count: 0,
  });
});

test('a value without meaning is a problem that points at it, and nothing is stored', async (t) => {
  const { user, token } = await newUser();
  const year = new Date().getUTCFullYear();
  const faults: [object, string][] = [
    [{ website: 'javascript:alert(1)' }, '/website'],
    [{ website: 'ftp://example.com' }, '/website'],
    [{ website: 'https://paypal.com@evil.example' }, '/website'],
    [{ establishment: 1_599 }, '/establishment'],
    [{ establishment: year + 1 }, '/establishment'],
    [{ establishment: '2020' }, '/establishment'],
    [{ country: 'Atlantis' }, '/country'],
    [{ whatsappNumber: '+1234567890' }, '/whatsappNumber'],
    [{ whatsapp_number: '0171 123' }, '/whatsapp_number'],
    [{ country: 'India', gst_number: '27AAPFU0939F1ZW' }, '/gst_number'],
    [{ employee_count: -1 }, '/employee_count'],
    [{ employee_count: 1.5 }, '/employee_count'],
    [{ working_days: '24/7' }, '/working_days'],
    [{ working_days: ['monday', 7] }, '/working_days/1'],
    [{ business_name: ' ' }, '/business_name'],
    [{ business_name: null }, '/business_name'],
    [{ businessName: 'Acme', business_name: 'Acme' }, '/businessName'],
    [{ user_id: 1 }, '/user_id'],
    [{ logo: ABSENT }, '/logo'],
    [{ is_listed: true }, '/is_listed'],
  ];
  for (const [fault, pointer] of faults) {
    const body = { business_type: 'Shop', business_name: 'Acme', ...fault };
    const answer = await create(token, body);
    const name = JSON.stringify(fault);
    t.match([answer.statusCode, answer.json().code], [400, 'validation_failed'], name);
    t.match(answer.json().errors, [{ pointer }], name);
  }
  t.match((await create(token, { businessName: 'Acme' })).json().errors, [
    { pointer: '/business_type' },
  ]);
  const stored = 'select from identity.vendor_profiles where user_id = $1';
  t.strictSame(await server.rows(stored, [user.id]), []);
});

test('every fault of a body is named at once', async (t) => {
  const { token } = await newUser();
  const body = { ...TECH, country: 'Atlantis', website: 'x', working_days: ['someday'] };
  const { errors } = (await create(token, body)).json<{ errors: { pointer: string }[] }>();
  t.same(
    new Set(errors.map(({ pointer }) => pointer)),
    new Set(['/website', '/country', '/working_days']),
  );
});

test('a vendor has one profile, also when two requests make it at once', async (t) => {
  const { token, user } = await newUser();
  const answers = await Promise.all([create(token, TECH), create(token, TECH)]);
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [201, 409],
  );
  const again = await create(token, TECH);
  t.strictSame([again.statusCode, again.json().code], [409, 'vendor_profile_exists']);
  const stored = 'select from identity.vendor_profiles where user_id = $1';
  t.equal((await server.rows(stored, [user.id])).length, 1);
});

test('a repeated request under its key gets the same answer and event', async (t) => {
  const { token } = await newUser();
  const headers = { 'idempotency-key': 'profile-1' };
  const [first, second] = [await create(token, TECH, headers), await create(token, TECH, headers)];
  t.strictSame([first.statusCode, second.statusCode], [201, 201]);
  t.equal(second.body, first.body);
  for (const name of ['audit-event', 'etag', 'location'])
    t.equal(second.headers[name], first.headers[name], name);
});

test('only administrators make profiles of others, and only of vendors', async (t) => {
  const [vendor, other, customer] = [await newUser(), await newUser(), await newUser('customer')];
  const [admin, auditor] = [await newPrivileged('admin'), await newPrivileged('auditor')];
  for (const { token } of [other, customer, auditor]) {
    const answer = await create(token, { ...TECH, user_id: vendor.user.id });
    t.strictSame([answer.statusCode, answer.json().code], [403, 'permission_denied']);
  }
  t.equal((await create(customer.token, TECH)).statusCode, 403);
  const made = await newProfile(admin, { user_id: vendor.user.id });
  t.match(made, { user_id: vendor.user.id, created_by: admin.user.id });
  t.match(await eventsOf(made.id), [
    { user_id: admin.user.id, metadata: { vendor: vendor.user.id } },
  ]);
  for (const user_id of [customer.user.id, admin.user.id, ABSENT]) {
    const answer = await create(admin.token, { ...TECH, user_id });
    t.match([answer.statusCode, answer.json().errors], [400, [{ pointer: '/user_id' }]]);
  }
});
