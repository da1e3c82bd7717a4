import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { test } from 'tap';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/database/testing';
import { isVisible, readSealed, readSealedFor, sealedHead, type SealedEvent } from '../../queries/sealed-events.ts';
import type { Reader } from '../../reader.ts';
import type { Tables } from '../../tables.ts';
import { storeSealed } from '../stream/sealed.ts';

test('a filter passes the same events whether the table or memory is asked', async (t) => {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({ url: database.url('audit_service'), applicationName: 'test' });
  t.teardown(() => db.destroy());
  t.equal(await sealedHead(db), -1);
  const users = [randomUUID(), randomUUID()];
  const actions = ['FILE_UPLOAD', 'LOGIN_FAIL', 'FILE_UPLOADED'];
  const resources = [null, 'file/1', 'file/%'];
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(Math.random() * values.length)] as Value;
  await storeSealed(db, Array.from({ length: 300 }, () => ({
    user_id: pick([...users, null]), action: pick(actions), resource: pick(resources), outcome: pick(['success', 'failure'] as const),
    personal: pick([null, { subject: pick(users), key_id: randomUUID(), commitment: 'AAAA', nonce: 'AAAA', ciphertext: 'AAAA' }]),
  })));
  const all = await readSealed(db, -1, 1_000) as SealedEvent[];
  t.equal(all.length, 300);
  const reader = fc.constantFrom<Reader>({ kind: 'all', userId: users[0] ?? '' }, { kind: 'user', userId: users[0] ?? '' }, { kind: 'user', userId: randomUUID() });
  const maybe = (values: readonly string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
  const filter = fc.record({ action: maybe(actions), outcome: maybe(['success', 'failure']), resource: maybe(['file/1', 'file/%', 'nothing']) });
  await fc.assert(fc.asyncProperty(reader, filter, fc.integer({ min: -1, max: 299 }), fc.integer({ min: -1, max: 310 }), fc.integer({ min: 1, max: 400 }), async (who, wanted, after, upTo, limit) => {
    const expected = all.filter((event) => event.index > after && event.index <= upTo && isVisible(who, wanted, event)).slice(0, limit);
    t.same(await readSealedFor(db, who, wanted, { after, upTo, limit }), expected);
  }), { numRuns: 60 });
});
