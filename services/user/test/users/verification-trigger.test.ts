import { test } from 'tap';
import { build } from '../build.ts';

const STATE = `select is_verified, verified_at is not null as since,
  email_verified_at is not null as email, phone_verified_at is not null as phone
  from identity.users`;

test('the flag of the version before proves the address, and ends the proof', async (t) => {
  const { register, rows } = await build(t);
  await register();
  await rows('update identity.users set is_verified = true');
  const proved = { is_verified: true, since: true, email: true, phone: false };
  t.strictSame(await rows(STATE), [proved]);
  await rows('update identity.users set is_verified = false');
  const unproved = { is_verified: false, since: false, email: false, phone: false };
  t.strictSame(await rows(STATE), [unproved]);
});

test('a proved number keeps a user verified when the address is unproved', async (t) => {
  const { register, rows } = await build(t);
  await register();
  await rows(`update identity.users set phone = '+4930901820', phone_valid = true,
    phone_verified_at = now(), email_verified_at = now()`);
  await rows('update identity.users set is_verified = false');
  const byPhone = { is_verified: true, since: true, email: false, phone: true };
  t.strictSame(await rows(STATE), [byPhone]);
});

test('one number belongs to many users, but proved to one', async (t) => {
  const { register, rows } = await build(t);
  const one = await register('one@example.com');
  await register('two@example.com');
  await rows(`update identity.users set phone = '+4930901820', phone_valid = true`);
  await rows('update identity.users set phone_verified_at = now() where id = $1', [one.user.id]);
  await t.rejects(
    rows('update identity.users set phone_verified_at = now()'),
    /users_verified_phone/,
  );
});
