import { setTimeout as sleep } from 'node:timers/promises';
import type { Rows } from '@muniment/testing';
import { trailGaps } from '../e2e/stores.ts';
import type { TrailEvent, Violation } from './check/violations.ts';

const OUTBOXES = ['identity', 'files', 'audit', 'app'];

/** Tables whose inserts slow their commit, with the share of rows. Audit's batches are large. */
const SLOWED = [
  ...OUTBOXES.map((schema) => ({ table: `${schema}.outbox`, share: 0.1 })),
  { table: 'audit.events', share: 0.01 },
  { table: 'audit.sealed', share: 0.01 },
];

/** Delays some commits by up to `maxMs`, so that kills hit them and others overtake them. */
export async function slowSomeCommits(rows: Rows, maxMs: number): Promise<void> {
  await rows(`
    create schema chaos;
    create function chaos.wait() returns trigger language plpgsql as $$
    begin
      if random() < tg_argv[0]::float8 then perform pg_sleep(random() * ${maxMs / 1_000}); end if;
      return null;
    end $$`);
  for (const { table, share } of SLOWED) {
    await rows(
      `create constraint trigger wait after insert on ${table}
      deferrable initially deferred for each row execute function chaos.wait('${share}')`,
    );
  }
}

/** Finds a replica of the service that is in a delayed commit, by its connection's name. */
export async function findCommitting(rows: Rows, service: string): Promise<string | undefined> {
  const [found] = await rows<{ name: string }>(
    `select application_name as name from pg_stat_activity
    where wait_event = 'PgSleep' and application_name like 'muniment-' || $1 || '-%' limit 1`,
    [service],
  );
  return found?.name.slice('muniment-'.length);
}

/** When the oldest unsealed event was committed, in ms since the epoch; null without one. */
export async function findOldestUnsealed(rows: Rows): Promise<number | null> {
  const outboxes = OUTBOXES.map((schema) => `select min(created_at) as at from ${schema}.outbox`);
  // Ids begin with their time, so only the newest part of the partitions is read.
  const unsealed = `
    select min(e.timestamp) as at from audit.events e
    where e.id > audit.uuid_floor(now() - interval '3 minutes')
      and not exists (select from audit.sealed s where s.event_id = e.id)`;
  const [oldest] = await rows<{ ms: number | null }>(`
    select (extract(epoch from min(at)) * 1000)::float8 as ms
    from (${[...outboxes, unsealed].join(' union all ')}) o`);
  return oldest?.ms ?? null;
}

/** Reads the whole trail in the order of its lanes. */
export async function readTrail(rows: Rows): Promise<TrailEvent[]> {
  return rows<TrailEvent>(`
    select e.id, e.source, e.lane, e.seq::float8 as seq, s.index::float8 as index, e.action,
      e.outcome, e.user_id, e.resource, e.request_id,
      e.record::jsonb ->> 'traceparent' as traceparent,
      case when e.source = 'app' then e.record::jsonb #>> '{metadata,event,id}' end as caller_id
    from audit.events e left join audit.sealed s on s.event_id = e.id
    order by e.source, e.lane, e.seq`);
}

/** A request that was stopped may commit late, so the trail must be quiet for this long. */
const QUIET_MS = 2_000;

/**
 * Waits until outboxes are empty, lanes complete, events sealed and erasures done.
 * @returns what is still missing after `timeoutMs`
 */
export async function waitUntilComplete(rows: Rows, timeoutMs: number): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  let quietSince = performance.now();
  let seen = -1;
  for (;;) {
    const missing = await findUnfinished(rows).catch((error: unknown) => [
      `the database does not answer: ${String(error)}`,
    ]);
    const count = await rows<{ count: number }>(
      'select count(*)::int as count from audit.events',
    ).then(
      ([row]) => row?.count ?? -1,
      () => -1,
    );
    if (count !== seen || missing.length > 0) quietSince = performance.now();
    seen = count;
    if (performance.now() - quietSince > QUIET_MS) return [];
    if (performance.now() > deadline)
      return missing.length > 0 ? missing : ['events keep coming though nobody acts'];
    await sleep(200);
  }
}

async function findUnfinished(rows: Rows): Promise<string[]> {
  const erasures = await rows<{ user_id: string }>(
    'select user_id from shared.erasures where not (identity_done and files_done and audit_done)',
  );
  const [unsealed] = await rows<{ count: number }>(
    `select count(*)::int as count from audit.events e
    where not exists (select from audit.sealed s where s.event_id = e.id)`,
  );
  return [
    ...(await trailGaps(rows)),
    ...(unsealed?.count ? [`${unsealed.count} events are not sealed`] : []),
    ...erasures.map(({ user_id: id }) => `the erasure of ${id} is not done`),
  ];
}

/** Checks what the trail's tables show by themselves, without the history. */
export async function checkTrail(
  rows: Rows,
  events: readonly TrailEvent[],
  missing: readonly string[],
): Promise<Violation[]> {
  const violations: Violation[] = missing.map((detail) => ({
    kind: detail.includes('outbox holds')
      ? 'undelivered'
      : detail.includes('not sealed')
        ? 'unsealed'
        : 'hole',
    detail,
  }));
  const last = new Map<string, TrailEvent>();
  for (const event of events) {
    const lane = `${event.source}/${event.lane}`;
    const before = last.get(lane);
    last.set(lane, event);
    if (before?.seq === event.seq)
      violations.push({
        kind: 'doubled',
        detail: `${lane}/${event.seq} is the number of ${before.id} and of ${event.id}`,
      });
    else if (event.seq !== (before?.seq ?? 0) + 1)
      violations.push({
        kind: 'hole',
        detail: `${lane}: no event has a number between ${before?.seq ?? 0} and ${event.seq}`,
      });
  }
  const given = await rows<{ lane: string; last_seq: number }>(`
    select 'user/' || lane as lane, last_seq::float8 as last_seq from identity.outbox_lanes
    union all select 'file/' || lane, last_seq::float8 from files.outbox_lanes
    union all select 'audit/' || lane, last_seq::float8 from audit.outbox_lanes
    union all select 'app/' || lane, last_seq::float8 from app.outbox_lanes`);
  for (const { lane, last_seq: lastSeq } of given) {
    if (lastSeq !== (last.get(lane)?.seq ?? 0))
      violations.push({
        kind: 'hole',
        detail:
          `${lane}: the numbers up to ${lastSeq} were given, ` +
          `the log ends at ${last.get(lane)?.seq ?? 0}`,
      });
  }
  violations.push(...checkSeals(events));
  const quarantined = await rows<{ reason: string }>(
    'select reason from audit.quarantine limit 20',
  );
  return [
    ...violations,
    ...quarantined.map(({ reason }) => ({ kind: 'quarantined' as const, detail: reason })),
  ];
}

/** Checks that indexes have no gap, and rise within each lane. */
function checkSeals(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const sealed = events
    .flatMap(({ index }) => (index === null ? [] : [index]))
    .sort((one, other) => one - other);
  const gap = sealed.findIndex((index, place) => index !== place);
  if (gap >= 0)
    violations.push({ kind: 'seal', detail: `the leaf behind ${gap - 1} is ${sealed[gap]}` });
  for (const event of events)
    if (event.index === null)
      violations.push({
        kind: 'unsealed',
        detail: `${event.source}/${event.lane}/${event.seq} (${event.id})`,
      });
  for (const own of Map.groupBy(events, ({ source, lane }) => `${source}/${lane}`).values()) {
    for (const [place, { index, source, lane, seq }] of own.entries()) {
      const before = own[place - 1];
      if (before && (before.index ?? -1) > (index ?? Infinity))
        violations.push({
          kind: 'seal',
          detail:
            `${source}/${lane}/${before.seq} is leaf ${before.index}, ` +
            `behind it ${seq} is leaf ${index}`,
        });
    }
  }
  return violations;
}
