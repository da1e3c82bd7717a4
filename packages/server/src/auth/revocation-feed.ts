import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { toRevocation, withTimeout, type Revocations } from '@muniment/security';

/** Another channel of the feed's connection. */
export interface Channel {
  name: string;
  onNotification(): void;
  /** Called at each change, and once the channel is heard again after a loss. */
  onListening(isListening: boolean): void;
}

export interface RevocationFeedOptions {
  /** Straight to PostgreSQL: a pooler in transaction mode delivers no notifications. */
  url: string;
  applicationName: string;
  revocations: Revocations;
  channel?: Channel;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
}

export interface RevocationFeed {
  /** Resolves once the set is complete, or the first attempt has failed. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether the set is fresh, or would be after a question that ends the feed's rest. */
  isFollowed(): boolean;
  /** Connections that were made so far. */
  connections(): number;
  /** Revocations that a heart-beat brought before their notification had come. */
  unannounced(): number;
}

const BEAT_MS = 250;
/** Without a question about a session. */
const REST_AFTER_MS = 10_000;
/** A heart-beat at rest finds a connection that was lost unheard. */
const REST_BEAT_MS = 5_000;
/** A silent connection is closed; the set has been stale for long by then. */
const ANSWER_TIMEOUT_MS = 2_000;
const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
const CLOSE_TIMEOUT_MS = 500;
const FULL_PAUSE_MS = 60_000;
const PAGE = 5_000;

const PAGE_TEXT = `
  select kind, id, ceil(extract(epoch from counts_until))::bigint as counts_until
  from shared.revocations
  where (kind, id) > ($1, $2) order by kind, id limit ${PAGE}`;

/**
 * Rows that the last snapshot did not show; no clock or number orders transactions by their commit.
 * Always has a row, for the new snapshot. Rows of future transactions come from a foreign dump.
 */
const BEAT_TEXT = `
  select pg_current_snapshot()::text as snapshot, pg_is_in_recovery() as standby,
    extract(epoch from now())::float8 as now, r.kind, r.id,
    ceil(extract(epoch from r.counts_until))::bigint as counts_until
  from (values (1)) once left join shared.revocations r
    on r.announced_in >= pg_snapshot_xmin($1::pg_snapshot)
      and r.announced_in < pg_snapshot_xmax(pg_current_snapshot())
      and not pg_visible_in_snapshot(r.announced_in, $1::pg_snapshot)`;

interface Row {
  kind: string | null;
  id: string | null;
  counts_until: string | null;
}
interface Beat extends Row {
  snapshot: string;
  standby: boolean;
  now: number;
}

/** What a feed's functions share. */
interface Feed extends RevocationFeedOptions {
  stopping: AbortSignal;
  /** Called once the set is complete, or could not be made so. */
  onBegun(): void;
  isResting: boolean;
  connections: number;
  unannounced: number;
  logged: 'followed' | 'lost' | undefined;
}

/**
 * Follows the database's revocations. A notification brings each about 1 ms after its commit. A
 * heart-beat every 250 ms brings lost ones and proves that the set is complete.
 *
 * While nobody asks about a session, it beats every five seconds, and the set is stale. So the
 * first request asks the database, and wakes the feed.
 */
export function createRevocationFeed(options: RevocationFeedOptions): RevocationFeed {
  const abort = new AbortController();
  const begun = Promise.withResolvers<void>();
  const feed: Feed = {
    ...options,
    stopping: abort.signal,
    onBegun: begun.resolve,
    isResting: false,
    connections: 0,
    unannounced: 0,
    logged: undefined,
  };
  let running: Promise<void> | undefined;
  return {
    async start() {
      running ??= run(feed);
      await begun.promise;
    },
    async stop() {
      abort.abort();
      await running;
    },
    isFollowed: () => isFollowed(feed),
    connections: () => feed.connections,
    unannounced: () => feed.unannounced,
  };
}

/** Connects again and again until the feed stops. */
async function run(feed: Feed): Promise<void> {
  let pauseMs = MIN_PAUSE_MS;
  while (!feed.stopping.aborted) {
    const client = createClient(feed);
    const lost = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('the connection was closed')));
    });
    const following = follow(feed, client, () => {
      pauseMs = MIN_PAUSE_MS;
      logState(feed, 'followed');
    });
    const error: unknown = await Promise.race([following, lost]).catch((reason: unknown) => reason);
    feed.channel?.onListening(false);
    feed.isResting = false;
    await close(client);
    if (feed.stopping.aborted) return;
    logState(feed, 'lost', error);
    // Random, so that replicas do not reconnect together after an outage.
    await pause(feed, pauseMs * (1 + Math.random())).catch(() => {});
    pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
  }
}

function createClient({ url, applicationName }: Feed): pg.Client {
  return new pg.Client({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
  });
}

async function close(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => {});
  // The other side may no longer answer the end of the connection.
  await withTimeout(ended, CLOSE_TIMEOUT_MS, () => {});
}

/** Rejects when the connection ends. */
async function follow(feed: Feed, client: pg.Client, onFollowed: () => void): Promise<never> {
  client.on('notification', ({ channel, payload = '' }) => {
    if (channel === feed.channel?.name) return feed.channel.onNotification();
    const [kind = '', id = '', until = ''] = payload.split(' ');
    addRow(feed, { kind, id, counts_until: until });
  });
  await client.connect();
  feed.connections += 1;
  // With poor statistics the planner would read the whole table four times a second.
  await client.query('set enable_seqscan = off');
  await client.query('listen muniment_revocations');
  if (feed.channel) {
    await client.query(`listen ${feed.channel.name}`);
    feed.channel.onListening(true);
  }
  const { rows } = await client.query<{ snapshot: string }>(
    'select pg_current_snapshot()::text as snapshot',
  );
  // After the snapshot: the first heart-beat brings what is committed while pages are read.
  if (!(await readAll(feed, client))) await waitForRoom(feed);
  for (let snapshot = rows[0]?.snapshot ?? ''; ;) {
    const beganAt = performance.now();
    snapshot = await beat(feed, client, snapshot);
    onFollowed();
    feed.isResting = feed.revocations.unaskedMs() > REST_AFTER_MS;
    if (feed.isResting) await feed.revocations.untilAsked(REST_BEAT_MS, feed.stopping);
    else await pause(feed, Math.max(0, BEAT_MS - (performance.now() - beganAt)));
    feed.stopping.throwIfAborted();
  }
}

function isFollowed({ revocations, isResting }: Feed): boolean {
  const restMs = isResting ? REST_BEAT_MS : 0;
  return revocations.ageMs() <= restMs + revocations.staleAfterMs;
}

const pause = ({ stopping }: Feed, ms: number): Promise<void> =>
  sleep(ms, undefined, { signal: stopping, ref: false });

/** No heart-beat would bring the unread rest, so the database is asked until all of it fits. */
async function waitForRoom(feed: Feed): Promise<never> {
  const { maxEntries } = feed.revocations;
  logState(feed, 'lost', new Error(`there are more than ${maxEntries} revocations`));
  feed.revocations.clear();
  await pause(feed, FULL_PAUSE_MS);
  throw new Error('the revocations are read again');
}

/** @returns false when there are more than this replica may hold */
async function readAll(feed: Feed, client: pg.Client): Promise<boolean> {
  let last: Row | undefined = { kind: '', id: '', counts_until: null };
  for (let read = 0; last && read <= feed.revocations.maxEntries; read += PAGE) {
    const { rows }: { rows: Row[] } = await client.query(PAGE_TEXT, [last.kind, last.id]);
    for (const row of rows) addRow(feed, row);
    last = rows.length === PAGE ? rows.at(-1) : undefined;
  }
  return last === undefined;
}

/** @returns the snapshot of the answer */
async function beat(feed: Feed, client: pg.Client, snapshot: string): Promise<string> {
  const { revocations } = feed;
  const sentAt = revocations.now();
  const { rows } = await client.query<Beat>(BEAT_TEXT, [snapshot]);
  const [first] = rows;
  // A standby lags behind its primary, so its answer proves nothing.
  if (!first || first.standby) throw new Error('the feed has reached a standby');
  for (const row of rows) if (row.kind !== null && addRow(feed, row)) feed.unannounced += 1;
  revocations.confirmComplete(sentAt);
  // By the database's clock: this machine's may be ahead, and swept rows would not come back.
  revocations.sweep(first.now);
  return first.snapshot;
}

/** @returns whether the revocation was new */
function addRow({ revocations }: Feed, { kind, id, counts_until }: Row): boolean {
  const revocation = toRevocation(kind, id, counts_until);
  return revocation !== undefined && revocations.add(revocation);
}

function logState(feed: Feed, state: 'followed' | 'lost', err?: unknown): void {
  feed.onBegun();
  if (state === feed.logged) return;
  feed.logged = state;
  if (state === 'followed') feed.log.info('the revocation feed is followed');
  else
    feed.log.warn(
      { err },
      'the revocation feed is lost; until it is back the database is asked about sessions',
    );
}
