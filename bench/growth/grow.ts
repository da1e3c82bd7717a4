import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createPartitions, dropIndexes, listMonths } from '../log-queries/filled-log.ts';
import {
  insertEvents,
  insertFiles,
  RELEASE_NUMBERS,
  reserveNumbers,
  type Span,
  type Spread,
} from './growth-rows.ts';

const BATCH_SIZE = 250_000;
/** Each inserts the next batch, so both cores work. */
const CLIENTS = 2;
const DAY_MS = 24 * 60 * 60_000;
const PROGRESS_MS = 10_000;

export interface GrowthOptions {
  /** Of a superuser. */
  databaseUrl: string;
  ownerId: string;
  files: number;
  events: number;
  /** @throws when the growth has taken too long */
  checkTime(): void;
  log(line: string): void;
}

interface Filler {
  clients: readonly pg.Client[];
  options: GrowthOptions;
}

async function fill(
  { clients, options: { checkTime, log } }: Filler,
  rows: { what: string; count: number },
  insert: (span: Span) => string,
): Promise<void> {
  let next = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (next < rows.count) {
        checkTime();
        const from = next;
        next = Math.min(rows.count, from + BATCH_SIZE);
        await client.query(insert({ from, to: next }));
        if (next % (4 * BATCH_SIZE) === 0) log(`${next} of ${rows.count} ${rows.what}`);
      }
    }),
  );
}

/** Spreads rows over the time since the first of the months, but the last two days. */
function spread(count: number, ownerId: string): Spread {
  const startMs = listMonths(new Date())[0]?.getTime() ?? 0;
  const stepMs = Math.floor((Date.now() - 2 * DAY_MS - startMs) / count);
  return { ownerId, startMs, stepMs };
}

async function waitUntilSealed(client: pg.Client, options: GrowthOptions): Promise<void> {
  for (let loggedAt = performance.now(); ; await sleep(1_000)) {
    options.checkTime();
    const { rows } = await client.query<{ left: number }>(`
      select sum(l.watermark - s.sealed_seq)::int8 as left
      from audit.seal_lanes s join audit.lanes l using (source, lane)`);
    const left = Number(rows[0]?.left);
    if (left === 0) return;
    if (performance.now() - loggedAt < PROGRESS_MS) continue;
    loggedAt = performance.now();
    options.log(`${left} events are to be sealed`);
  }
}

/**
 * Gives one owner a million files, and the log ten million events over six months. The rows come by
 * SQL; the fleet's own sealer gives the events their indexes, tiles and checkpoints.
 */
export async function grow(options: GrowthOptions): Promise<void> {
  const { databaseUrl, ownerId, files, events, log } = options;
  const clients = Array.from(
    { length: CLIENTS },
    () => new pg.Client({ connectionString: databaseUrl }),
  );
  const [client] = clients as [pg.Client];
  for (const each of clients) {
    await each.connect();
    await each.query(`set synchronous_commit = off; set maintenance_work_mem = '1GB'`);
  }
  try {
    await client.query(`alter system set max_wal_size = '8GB'`);
    await client.query('select pg_reload_conf()');
    const filler = { clients, options };
    const fileSpread = spread(files, ownerId);
    await fill(filler, { what: 'files', count: files }, (span) => insertFiles(span, fileSpread));
    await createPartitions(client, listMonths(new Date()));
    await client.query(reserveNumbers(events));
    // Indexed after it is filled: sorting ten million rows takes seconds instead of minutes.
    const definitions = await dropIndexes(client);
    const eventSpread = spread(events, ownerId);
    await fill(filler, { what: 'events', count: events }, (span) =>
      insertEvents(span, eventSpread),
    );
    log('indexes are built');
    for (const definition of definitions)
      await client.query(definition.replace(' ON ONLY ', ' ON '));
    await client.query('analyze audit.events');
    await client.query(RELEASE_NUMBERS);
    await waitUntilSealed(client, options);
    log('statistics and a checkpoint are made');
    for (const table of ['audit.events', 'audit.sealed', 'files.files'])
      await client.query(`vacuum analyze ${table}`);
    await client.query('alter system reset max_wal_size');
    await client.query('select pg_reload_conf()');
    await client.query('checkpoint');
  } finally {
    await Promise.all(clients.map((each) => each.end()));
  }
}
