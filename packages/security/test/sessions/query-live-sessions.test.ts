import { createTestDatabase } from '@muniment/testing';
import { sql } from 'kysely';
import { test } from 'tap';
import { createRevocations, createSessionLookup, queryLiveSessions } from '../../src/index.ts';
import { connect } from '../connect.ts';

test('the session look-up reads the real view', async (t) => {
  const database = await createTestDatabase(t);
  const users = connect(t, database.url('user_service'));
  const {
    rows: [user],
  } = await sql<{ id: string }>`
    insert into identity.users (id, type, email, email_key) values (uuidv7(), 'vendor', 'a@example.com', 'a@example.com') returning id`.execute(
    users,
  );
  const { rows } = await sql<{ id: string }>`
    insert into identity.sessions (id, user_id, idle_timeout, expires_at)
    values (uuidv7(), ${user?.id}, interval '1 hour', now() + interval '1 hour'), (uuidv7(), ${user?.id}, interval '1 hour', now() - interval '1 second') returning id`.execute(
    users,
  );
  const [live = { id: '' }, expired = { id: '' }] = rows;
  // Never proved, hence stale: the database is asked each time.
  const sessions = createSessionLookup({
    revocations: createRevocations(),
    query: queryLiveSessions(connect(t, database.url('audit_service'))),
  });
  const isLive = (session: { id: string }) =>
    sessions.isLive({ sessionId: session.id, userId: user?.id ?? '', role: 'customer' });
  t.match(await isLive(live), { live: true, role: 'vendor' });
  t.same(await isLive(expired), { live: false });
  await sql`update identity.sessions set revoked_at = now() where id = ${live.id}`.execute(users);
  t.same(await isLive(live), { live: false });
  await sql`update identity.sessions set revoked_at = null`.execute(users);
  await sql`update identity.users set status = 'suspended'`.execute(users);
  t.same(await isLive(live), { live: false }, 'a suspended user has no live session');
});
