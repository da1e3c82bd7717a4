import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { test } from 'tap';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/testing';
import type { EventFilter } from '../../trail/filter.ts';
import { listByIndex } from '../../trail/log-queries.ts';
import {
  isVisible,
  listSealedAfter,
  findSealedHead,
  type SealedEvent,
} from '../../proofs/sealed-event-queries.ts';
import type { Reader } from '../../trail/readers/reader.ts';
import type { Tables } from '../../tables.ts';
import { visibilityOf } from '../../trail/readers/visibility.ts';
import { storeSealed } from '../live/sealed.ts';

test('a filter passes the same events from the table and from memory', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  t.equal(await findSealedHead(db), -1);
  const users = [randomUUID(), randomUUID()];
  const actions = ['FILE_UPLOAD', 'LOGIN_FAIL', 'FILE_UPLOADED'];
  const resources = [null, 'file/1', 'file/%'];
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(Math.random() * values.length)] as Value;
  const tenants = ['acme', 'acm', null];
  const sessions = [randomUUID(), null];
  const times = [0, 1, 2].map((n) => new Date(Date.UTC(2026, 1, 1 + n)));
  await storeSealed(
    db,
    Array.from({ length: 300 }, () => ({
      user_id: pick([...users, null]),
      action: pick(actions),
      resource: pick(resources),
      resource_type: pick(['file', 'user', null]),
      outcome: pick(['success', 'failure'] as const),
      session_id: pick(sessions),
      request_id: pick(['r1', 'r2']),
      tenant_id: pick(tenants),
      source: pick(['user', 'app'] as const),
      timestamp: pick(times).toISOString(),
      personal: pick([
        null,
        {
          subject: pick(users),
          key_id: randomUUID(),
          commitment: 'AAAA',
          nonce: 'AAAA',
          ciphertext: 'AAAA',
        },
      ]),
    })),
  );
  const all = (await listSealedAfter(db, -1, 1_000)) as SealedEvent[];
  t.equal(all.length, 300);
  const [someone = ''] = users;
  const reader = fc.constantFrom<Reader>(
    { kind: 'all', userId: someone },
    { kind: 'user', userId: someone },
    { kind: 'user', userId: randomUUID() },
    { kind: 'viewer', tenantId: 'acme', tokenId: 'x' },
  );
  const maybe = <Value>(...values: Value[]) =>
    fc.option(fc.constantFrom(...values), { nil: undefined, freq: 1 });
  const filter = fc.record({
    action: maybe(...actions),
    actionPrefix: maybe('FILE', 'FILE_UPLOAD', 'L'),
    outcome: maybe('success', 'failure'),
    resource: maybe('file/1', 'file/%', 'nothing'),
    resource_type: maybe('file'),
    session_id: maybe(sessions[0]),
    request_id: maybe('r1'),
    tenant_id: maybe('acme'),
    source: maybe('app', 'user'),
    actor: maybe(someone),
    from: maybe(...times),
    to: maybe(...times),
  });
  // Most filters together pass nothing: one or two at a time are compared.
  const few = fc
    .tuple(
      filter,
      fc.subarray(
        [
          'action',
          'actionPrefix',
          'outcome',
          'resource',
          'resource_type',
          'session_id',
          'request_id',
          'tenant_id',
          'source',
          'actor',
          'from',
          'to',
        ] as const,
        { maxLength: 2 },
      ),
    )
    .map(
      ([whole, names]) =>
        Object.fromEntries(
          names.flatMap((name) => (whole[name] === undefined ? [] : [[name, whole[name]]])),
        ) as EventFilter,
    );
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(
      reader,
      few,
      fc.integer({ min: 0, max: 299 }),
      fc.integer({ min: 0, max: 310 }),
      fc.integer({ min: 1, max: 400 }),
      async (who, wanted, from, to, limit) => {
        const query = { visibility: visibilityOf(who), filter: wanted, terms: [] };
        const expected = all
          .filter((event) => event.index >= from && event.index < to && isVisible(query, event))
          .slice(0, limit)
          .map(({ index }) => index);
        passed += expected.length;
        t.same(
          (await listByIndex(db, query, { from, to, limit })).map(({ index }) => index),
          expected,
        );
      },
    ),
    { numRuns: 150 },
  );
  t.ok(passed > 500, `${passed} events passed`);
});
