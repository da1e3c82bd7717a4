import tap, { test } from 'tap';
import { build } from '../build.ts';
import { createVendors, TECH, type Profile } from './vendors.ts';

const server = await build(tap);
const { newUser, newPrivileged, newProfile } = createVendors(server);
const URL = '/api/vendor-profiles';

const change = (token: string, id: string, body: object, headers: Record<string, string> = {}) =>
  server.call('PATCH', `${URL}/${id}`, { token, body, headers });
const remove = (token: string, id: string, headers: Record<string, string> = {}) =>
  server.call('DELETE', `${URL}/${id}`, { token, headers });
const actionsOn = async (id: string) =>
  (await server.events()).filter(({ resource }) => resource === id).map(({ action }) => action);

test('a change sets what it names, clears by null and leaves the rest', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor, TECH);
  const answer = await change(vendor.token, id, {
    city: 'Boston',
    website: null,
    workingDays: ['Sat'],
    country: null,
  });
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.json(), {
    ...TECH,
    city: 'Boston',
    website: null,
    working_days: ['saturday'],
    country: null,
    country_code: null,
  });
  const events = (await server.events()).filter(({ resource }) => resource === id);
  t.match(events.at(-1), {
    id: answer.headers['audit-event'],
    action: 'VENDOR_PROFILE_UPDATED',
    metadata: { fields: ['city', 'country', 'website', 'working_days'] },
  });
  t.notMatch(JSON.stringify(events), 'Boston');
});

test('a GST number and a country are judged together, whichever of them changes', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor, { country: 'DE', gst_number: 'any 1' });
  const moved = await change(vendor.token, id, { country: 'India' });
  t.match([moved.statusCode, moved.json().errors], [400, [{ pointer: '/gst_number' }]]);
  const both = { country: 'India', gst_number: '27AAPFU0939F1ZV' };
  t.equal((await change(vendor.token, id, both)).statusCode, 200);
  const broken = await change(vendor.token, id, { gstNumber: '27AAPFU0939F1Z0' });
  t.match([broken.statusCode, broken.json().errors], [400, [{ pointer: '/gstNumber' }]]);
});

test('of changes by one tag a single one takes effect', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  const shown = await server.call('GET', `${URL}/${id}`, { token: vendor.token });
  const headers = { 'if-match': String(shown.headers.etag) };
  const answers = await Promise.all(
    ['Oslo', 'Rome', 'Bern'].map((city) => change(vendor.token, id, { city }, headers)),
  );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [200, 412, 412],
  );
  t.equal((await remove(vendor.token, id, headers)).statusCode, 412);
  t.equal((await actionsOn(id)).length, 2);
});

test('others may not change or delete a profile, and each refusal is recorded', async (t) => {
  const [vendor, other, customer] = [await newUser(), await newUser(), await newUser('customer')];
  const auditor = await newPrivileged('auditor');
  const { id } = await newProfile(vendor);
  const before = await server.rows('select * from identity.vendor_profiles where id = $1', [id]);
  for (const { token } of [other, customer, auditor])
    for (const answer of [await change(token, id, { city: 'X' }), await remove(token, id)])
      t.strictSame([answer.statusCode, answer.json().code], [403, 'permission_denied']);
  const after = await server.rows('select * from identity.vendor_profiles where id = $1', [id]);
  t.strictSame(after, before);
  const denied = (await server.events()).filter(
    ({ action, user_id }) => action === 'ACCESS_DENIED' && user_id === other.user.id,
  );
  t.match(denied, [
    { metadata: { permission: 'vendor-profiles:write' } },
    { metadata: { permission: 'vendor-profiles:write' } },
  ]);
});

test('an administrator changes and deletes any profile, and is named', async (t) => {
  const [vendor, admin] = [await newUser(), await newPrivileged('admin')];
  const { id } = await newProfile(vendor);
  const changed = await change(admin.token, id, { city: 'Lima' });
  t.match(changed.json(), { updated_by: admin.user.id, created_by: vendor.user.id });
  const removed = await remove(admin.token, id);
  t.match([removed.statusCode, removed.headers['audit-event']], [204, /^[0-9a-f-]{36}$/]);
  t.strictSame(await actionsOn(id), [
    'VENDOR_PROFILE_CREATED',
    'VENDOR_PROFILE_UPDATED',
    'VENDOR_PROFILE_DELETED',
  ]);
});

test('a deleted profile is gone with its words, and another can be made', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  t.equal((await remove(vendor.token, id)).statusCode, 204);
  t.equal((await remove(vendor.token, id)).statusCode, 404);
  t.equal((await change(vendor.token, id, { city: 'X' })).statusCode, 404);
  const words = 'select from identity.vendor_profile_terms where profile_id = $1';
  t.strictSame(await server.rows(words, [id]), []);
  t.not((await newProfile(vendor)).id, id);
});

test('a change of company data ends the verification, another does not', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor, TECH);
  const verify = `update identity.users
    set is_profile_reverified = true, profile_reverified_at = now() where id = $1`;
  const verified = async () =>
    server.rows(
      'select is_profile_reverified, profile_reverified_at from identity.users where id = $1',
      [vendor.user.id],
    );
  await server.rows(verify, [vendor.user.id]);
  await change(vendor.token, id, { city: 'Oslo', business_name: TECH.business_name });
  t.match(await verified(), [{ is_profile_reverified: true }]);
  await change(vendor.token, id, { business_name: 'Other Inc.' });
  t.strictSame(await verified(), [{ is_profile_reverified: false, profile_reverified_at: null }]);
  t.match((await server.events()).at(-1), { metadata: { reverify: true } });
});

test('a changed body is bounded: nothing at all, unknown fields, another owner', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  for (const body of [{}, { nope: 1 }, { user_id: vendor.user.id }, { business_type: null }])
    t.equal((await change(vendor.token, id, body)).json<Profile>().code, 'validation_failed');
});

test('an erased account takes the profile along', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor, TECH);
  await server.rows('delete from identity.users where id = $1', [vendor.user.id]);
  const stored = 'select from identity.vendor_profiles where id = $1';
  t.strictSame(await server.rows(stored, [id]), []);
});
