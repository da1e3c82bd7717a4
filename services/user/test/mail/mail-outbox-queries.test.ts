import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { claimMails } from '../../mail/mail-outbox-queries.ts';
import { build } from '../build.ts';

test('parallel claims never get the same mail', async (t) => {
  const {
    context: { data },
    register,
    rows,
  } = await build(t);
  const { user } = await register();
  await rows(
    `insert into identity.mail_outbox (id, user_id, template, locale, wrapped_mail)
      select gen_random_uuid(), $1, 'password_changed', 'en', '\\x00' from generate_series(1, 60)`,
    [user.id],
  );
  const claiming = { limit: 8, leaseMs: 60_000 };
  const claimed = (
    await Promise.all(Array.from({ length: 20 }, () => claimMails(data.db, randomUUID(), claiming)))
  ).flat();
  t.ok(claimed.length >= 8);
  t.equal(new Set(claimed.map(({ id }) => id)).size, claimed.length);
  t.ok(claimed.every(({ attempts }) => attempts === 1));
});
