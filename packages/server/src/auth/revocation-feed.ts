import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { toRevocation, withTimeout, type Revocations } from '@muniment/security';

export interface RevocationFeedOptions {
  /** Straight to PostgreSQL: a pooler in transaction mode delivers no notifications. */
  url: string;
  applicationName: string;
  revocations: Revocations;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
}

export interface RevocationFeed {
  /** Resolves once the set is complete, or the first attempt has failed. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Connections that were made so far. */
  connections(): number;
  /** Revocations that a heart-beat brought before their notification had come. */
  unannounced(): number;
}

const BEAT_MS = 250;
/** A silent connection is closed; the set has been stale for long by then. */
const ANSWER_MS = 2_000;
const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 1_000;
const CLOSE_MS = 500;
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

/**
 * Follows the database's revocations. A notification brings each about 1 ms after its commit. A
 * heart-beat every 250 ms brings lost ones and proves that the set is complete.
 */
export function createRevocationFeed({
  url,
  applicationName,
  revocations,
  log,
}: RevocationFeedOptions): RevocationFeed {
  const stopping = new AbortController();
  let begun = (): void => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let running: Promise<void> | undefined;
  let connections = 0;
  let unannounced = 0;
  let told: 'followed' | 'lost' | undefined;

  const take = ({ kind, id, counts_until }: Row): boolean => {
    const revocation = toRevocation(kind, id, counts_until);
    return revocation !== undefined && revocations.add(revocation);
  };

  function onNotification({ payload = '' }: pg.Notification): void {
    const [kind = '', id = '', until = ''] = payload.split(' ');
    take({ kind, id, counts_until: until });
  }

  /** @returns false when there are more than this replica may hold */
  async function readAll(client: pg.Client): Promise<boolean> {
    let last: Row | undefined = { kind: '', id: '', counts_until: null };
    for (let read = 0; last && read <= revocations.maxEntries; read += PAGE) {
      const { rows }: { rows: Row[] } = await client.query(PAGE_TEXT, [last.kind, last.id]);
      for (const row of rows) take(row);
      last = rows.length === PAGE ? rows.at(-1) : undefined;
    }
    return last === undefined;
  }

  /** @returns the snapshot of the answer */
  async function beat(client: pg.Client, snapshot: string): Promise<string> {
    const sentAt = revocations.now();
    const { rows } = await client.query<Beat>(BEAT_TEXT, [snapshot]);
    const [first] = rows;
    // A standby lags behind its primary, so its answer proves nothing.
    if (!first || first.standby) throw new Error('the feed has reached a standby');
    for (const row of rows) if (row.kind !== null && take(row)) unannounced += 1;
    revocations.confirmComplete(sentAt);
    // By the database's clock: this machine's may be ahead, and swept rows would not come back.
    revocations.sweep(first.now);
    return first.snapshot;
  }

  function tell(state: 'followed' | 'lost', err?: unknown): void {
    begun();
    if (state === told) return;
    told = state;
    if (state === 'followed') log.info('the revocation feed is followed');
    else
      log.warn(
        { err },
        'the revocation feed is lost; until it is back the database is asked about sessions',
      );
  }

  /** Ends with the connection, by rejecting. */
  async function follow(client: pg.Client, followed: () => void): Promise<never> {
    client.on('notification', onNotification);
    await client.connect();
    connections += 1;
    // With poor statistics the planner would read the whole table four times a second.
    await client.query('set enable_seqscan = off');
    await client.query('listen muniment_revocations');
    const {
      rows: [taken],
    } = await client.query<{ snapshot: string }>('select pg_current_snapshot()::text as snapshot');
    // After the snapshot: the first heart-beat brings what is committed while pages are read.
    if (!(await readAll(client))) {
      // No heart-beat would bring the unread rest, so the database is asked until all fits.
      tell('lost', new Error(`there are more than ${revocations.maxEntries} revocations`));
      revocations.clear();
      await sleep(FULL_PAUSE_MS, undefined, { signal: stopping.signal, ref: false });
      throw new Error('the revocations are read again');
    }
    for (let snapshot = taken?.snapshot ?? ''; ;) {
      const began = performance.now();
      snapshot = await beat(client, snapshot);
      followed();
      await sleep(Math.max(0, BEAT_MS - (performance.now() - began)), undefined, {
        signal: stopping.signal,
        ref: false,
      });
    }
  }

  async function close(client: pg.Client): Promise<void> {
    // The other side may no longer answer the end of the connection.
    await withTimeout(
      client.end().catch(() => {}),
      CLOSE_MS,
      () => {},
    );
  }

  async function run(): Promise<void> {
    let pauseMs = LEAST_PAUSE_MS;
    while (!stopping.signal.aborted) {
      const client = new pg.Client({
        connectionString: url,
        application_name: applicationName,
        connectionTimeoutMillis: ANSWER_MS,
        query_timeout: ANSWER_MS,
        keepAlive: true,
      });
      const lost = new Promise<never>((_, reject) => {
        client.on('error', reject);
        client.on('end', () => reject(new Error('the connection was closed')));
      });
      const following = follow(client, () => {
        pauseMs = LEAST_PAUSE_MS;
        tell('followed');
      });
      const error: unknown = await Promise.race([following, lost]).catch(
        (reason: unknown) => reason,
      );
      await close(client);
      if (stopping.signal.aborted) return;
      tell('lost', error);
      // Random, so that replicas do not reconnect together after an outage.
      await sleep(pauseMs * (1 + Math.random()), undefined, {
        signal: stopping.signal,
        ref: false,
      }).catch(() => {});
      pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS);
    }
  }

  return {
    async start() {
      running ??= run();
      await beginning;
    },
    async stop() {
      stopping.abort();
      await running;
    },
    connections: () => connections,
    unannounced: () => unannounced,
  };
}
