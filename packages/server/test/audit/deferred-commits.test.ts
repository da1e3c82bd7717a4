import { sql } from 'kysely';
import { test, type Test } from 'tap';
import { createEventPreparer } from '@muniment/audit-events';
import { requestContext, until } from '@muniment/testing';
import {
  afterCommit,
  createTransactions,
  type RepeatableRequest,
  type RequestContext,
} from '../../src/audit/transactions.ts';
import { build, type TestServer } from '../build.ts';

const EVENT = { action: 'PROFILE_UPDATE', subject: { address: 'somebody' } };

interface Deferring extends Pick<TestServer, 'rows' | 'events'> {
  transactions: ReturnType<typeof createTransactions>;
  /** How often the relay was woken. */
  commits(): number;
}

async function buildTransactions(t: Test, maxPendingCommits = 4): Promise<Deferring> {
  const server = await build(t);
  let commits = 0;
  const transactions = createTransactions(server.db, {
    schema: 'identity',
    prepareEvent: createEventPreparer({ source: 'user', subjectKeys: server.subjectKeys }),
    revalidatePrincipal: async () => undefined,
    onCommit: () => void (commits += 1),
    maxPendingCommits,
  });
  return { rows: server.rows, events: server.events, transactions, commits: () => commits };
}

/** A request under an Idempotency-Key whose key nobody else uses. */
function repeatable(): RequestContext & { idempotency: RepeatableRequest } {
  return { ...requestContext(), idempotency: { claim: async () => {}, pending: undefined } };
}

const end = (
  { idempotency }: ReturnType<typeof repeatable>,
  outcome: Parameters<NonNullable<RepeatableRequest['pending']>['end']>[0],
): Promise<void> => idempotency.pending?.end(outcome) ?? Promise.reject(new Error('none pending'));

test('of two records under one key both are committed', async (t) => {
  const { transactions, events } = await buildTransactions(t);
  const request = repeatable();
  await transactions.record(request, EVENT);
  await transactions.record(request, EVENT);
  t.equal((await events()).length, 1, 'the first, before the second began');
  await end(request, 'commit');
  t.equal((await events()).length, 2);
});

test('what follows a commit waits for it', async (t) => {
  const { transactions, events } = await buildTransactions(t);
  const request = repeatable();
  const seen: number[] = [];
  await transactions.inTransaction(request, (_trx, record) => record(EVENT));
  afterCommit(request, () => void seen.push(1));
  t.strictSame(seen, []);
  await end(request, 'commit');
  t.strictSame(seen, [1]);
  t.equal((await events()).length, 1);
});

test('after a rollback nothing follows and nothing is left', async (t) => {
  const { transactions, events, commits } = await buildTransactions(t);
  const request = repeatable();
  let followed = false;
  await transactions.inTransaction(request, (_trx, record) => record(EVENT));
  afterCommit(request, () => (followed = true));
  await end(request, 'roll back');
  t.notOk(followed);
  t.equal(commits(), 0);
  t.strictSame(await events(), []);
});

test('each commit wakes the relay, and none before it', async (t) => {
  const { transactions, commits } = await buildTransactions(t);
  await transactions.inTransaction(requestContext(), (_trx, record) => record(EVENT));
  t.equal(commits(), 1, 'a change');
  await transactions.record(requestContext(), EVENT);
  t.equal(commits(), 2, 'a record');
  const request = repeatable();
  await transactions.record(request, EVENT);
  t.equal(commits(), 2, 'a record whose answer is not there yet');
  await end(request, 'commit');
  t.equal(commits(), 3);
});

test('a change whose result is in use does not run again', { timeout: 60_000 }, async (t) => {
  const { transactions, rows, events } = await buildTransactions(t);
  await rows(`create function identity.conflict() returns integer language plpgsql
    as $$ begin raise exception 'a conflict' using errcode = '40001'; end $$`);
  const request = repeatable();
  let runs = 0;
  await transactions.inTransaction(request, async (_trx, record) => {
    runs += 1;
    return record(EVENT);
  });
  const conflict = sql`
    insert into identity.leases (name, holder, epoch, expires_at)
    values ('conflict', 'a', identity.conflict(), now())`;
  const ended = end(request, conflict);
  let isOver = false;
  const over = ended.catch(() => {}).then(() => (isOver = true));
  await Promise.race([over, until(() => isOver || runs > 1)]);
  t.equal(runs, 1);
  await t.rejects(ended, /a conflict/);
  t.strictSame(await events(), []);
});

test('no more transactions than allowed wait for their answers', async (t) => {
  const { transactions } = await buildTransactions(t, 1);
  const [first, second] = [repeatable(), repeatable()];
  await transactions.record(first, EVENT);
  let begun = false;
  const recorded = transactions.inTransaction(second, async (_trx, record) => {
    begun = true;
    return record(EVENT);
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.notOk(begun, 'the first holds the only place');
  await end(first, 'commit');
  await recorded;
  t.ok(begun);
  await end(second, 'commit');
});
