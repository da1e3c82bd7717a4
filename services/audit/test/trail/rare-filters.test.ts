import { randomUUID } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import { test, type Test } from 'tap';
import { countRowsRead, type ExplainRow } from '@muniment/testing';
import { createLogQuery } from '../../trail/log-query.ts';
import { findPageByTime } from '../../trail/find-page.ts';
import { findLogEnd } from '../../trail/log-queries.ts';
import { chooseScans } from '../../trail/log-scans.ts';
import type { Reader } from '../../trail/readers/reader.ts';
import { visibilityOf } from '../../trail/readers/visibility.ts';
import type { FilterQuery } from '../../trail/filter.ts';
import { build, type TestServer } from '../build.ts';
import { fillLog } from '../fill-log.ts';
import { anEvent } from '../records.ts';

const EVENTS = 3_000;
const ACTOR = randomUUID();
const SUBJECT = randomUUID();

/** A log in which half of the events match one filter, half the other, and few both. */
async function fill(t: Test): Promise<{ parts: TestServer; both: string[] }> {
  const parts = await build(t);
  const events = await fillLog(parts, EVENTS, (n) => ({
    action: n % 2 === 0 || n % 1_000 === 1 ? 'COMMON' : 'OTHER',
    resource_type: n % 2 === 1 ? 'thing' : 'file',
    user_id: n % 2 === 0 || n % 1_000 === 1 ? ACTOR : randomUUID(),
    tenant_id: 'acme',
    source: n % 3 === 0 ? 'app' : 'user',
    outcome: n % 5 === 0 ? 'failure' : 'success',
  }));
  const isBoth = ({
    action,
    resource_type: type,
  }: {
    action: string;
    resource_type: string | null;
  }) => action === 'COMMON' && type === 'thing';
  return { parts, both: events.filter(isBoth).map(({ id }) => id) };
}

interface Walk {
  ids: string[];
  pages: number;
}

/** Follows the pages of a list; each looks at few candidates. */
async function walk(
  { db, server }: TestServer,
  filter: FilterQuery,
  { limit, examine, userId }: { limit: number; examine: number; userId?: string },
): Promise<Walk> {
  const reader = userId
    ? ({ kind: 'user', userId } as const)
    : ({ kind: 'all', userId: randomUUID() } as const);
  const log = await createLogQuery(server.searchTerms, visibilityOf(reader), filter);
  const walked: Walk = { ids: [], pages: 0 };
  for (let cursor: string | undefined; ;) {
    const page = await findPageByTime(db, log, {
      ...(cursor !== undefined && { cursor }),
      limit,
      boundTo: filter,
      examine,
      examineMs: 0,
    });
    walked.ids.push(...page.events.map(({ id }) => id));
    walked.pages += 1;
    if (!page.next || !('cursor' in page.next)) return walked;
    cursor = page.next.cursor;
  }
}

test('a page of common filters that rarely meet ends after its share of candidates', async (t) => {
  const { parts, both } = await fill(t);
  const newestFirst = both.toSorted().toReversed();
  t.equal(newestFirst.length, 3);
  const filter = { action: 'COMMON', resource_type: 'thing' };
  const { ids, pages } = await walk(parts, filter, { limit: 50, examine: 100 });
  t.strictSame(ids, newestFirst, 'and nothing is skipped or repeated');
  t.ok(pages > 10, `${pages} pages`);
});

test('a list in pieces has the entries of a list in one, by every way to read', async (t) => {
  const { parts } = await fill(t);
  const filters: FilterQuery[] = [
    {},
    { outcome: 'failure' },
    { source: 'app', outcome: 'failure' },
    { actor: ACTOR, resource_type: 'thing' },
    { tenant_id: 'acme', action: 'OTHER', outcome: 'failure' },
    { action: 'CO*', resource_type: 'thing' },
    { action: 'COMMON', from: new Date(Date.now() - 1_500).toISOString() },
  ];
  for (const filter of filters) {
    const whole = await walk(parts, filter, { limit: 5_000, examine: 10_000 });
    t.equal(whole.pages, 1);
    const pieces = await walk(parts, filter, { limit: 70, examine: 40 });
    t.strictSame(pieces.ids, whole.ids, JSON.stringify(filter));
  }
});

test("a user's list in pieces merges what they did and what was done to them", async (t) => {
  const parts = await build(t);
  await fillLog(parts, 600, (n) => ({
    user_id: n < 300 ? SUBJECT : randomUUID(),
    personal: null,
    ...(n % 3 === 0 && { user_id: SUBJECT }),
  }));
  const whole = await walk(parts, {}, { limit: 5_000, examine: 10_000, userId: SUBJECT });
  const pieces = await walk(parts, {}, { limit: 20, examine: 7, userId: SUBJECT });
  t.strictSame(pieces.ids, whole.ids);
  t.equal(whole.ids.length, 400);
});

/** Counts the events that a scan reads, by its plan. */
async function countEventsRead(db: TestServer['db'], scan: RawBuilder<unknown>): Promise<number> {
  const { rows } = await sql<ExplainRow>`explain (analyze, format json) ${scan}`.execute(db);
  return countRowsRead(rows, 'events');
}

/** How many events the scans of a first page of 50 read. */
async function countRead({ db, server }: TestServer, reader: Reader, filter: FilterQuery) {
  const log = await createLogQuery(server.searchTerms, visibilityOf(reader), filter);
  const { size, before } = await findLogEnd(db);
  const scans = await chooseScans(db, log, {
    range: { floor: '00000000-0000-0000-0000-000000000000', before },
    page: { size, before, limit: 50, examine: 10_000 },
  });
  return Promise.all(scans.map((scan) => countEventsRead(db, scan)));
}

test('a page reads only the events that it shows, whatever PostgreSQL knows', async (t) => {
  const parts = await build(t);
  const { personal } = anEvent();
  if (!personal) throw new Error('the event has no personal values');
  await fillLog(parts, 3_000, (n) => ({
    action: 'COMMON',
    resource_type: 'thing',
    user_id: SUBJECT,
    tenant_id: 'acme',
    personal: { ...personal, subject: n < 1_000 ? randomUUID() : SUBJECT },
  }));
  const filters: FilterQuery[] = [
    {},
    { outcome: 'success' },
    { source: 'user', outcome: 'success' },
    { actor: SUBJECT },
    { tenant_id: 'acme' },
    { action: 'COM*' },
    { resource_type: 'thing' },
  ];
  async function check(when: string): Promise<void> {
    const own = await countRead(parts, { kind: 'user', userId: SUBJECT }, {});
    t.strictSame(own, [50, 50], `${when}: their own, and what they did to others, all older`);
    for (const filter of filters) {
      const read = await countRead(parts, { kind: 'all', userId: SUBJECT }, filter);
      t.strictSame(read, [50], `${when}: ${JSON.stringify(filter)}`);
    }
  }
  await check('at first');
  await parts.superuser.query('analyze');
  await check('analysed');
});

test('a user who only did things to themselves has every event read once', async (t) => {
  const parts = await build(t);
  const { personal } = anEvent();
  if (!personal) throw new Error('the event has no personal values');
  await fillLog(parts, 1_000, (n) => ({
    user_id: SUBJECT,
    personal: n > 3 ? { ...personal, subject: SUBJECT } : null,
  }));
  t.strictSame(await countRead(parts, { kind: 'user', userId: SUBJECT }, {}), [50, 4]);
});
