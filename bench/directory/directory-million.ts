import { sql, type Kysely } from 'kysely';
import pg from 'pg';
import { createDatabase } from '@muniment/database';
import { rowsOf, type Rows } from '@muniment/testing';
import type { Tables } from '../../services/user/tables.ts';
import { findDirectoryUsers } from '../../services/user/users/directory-queries.ts';
import { findCandidates } from '../../services/user/users/search/find-candidates.ts';
import { insertCrowd } from '../../services/user/test/directory/crowd.ts';
import {
  FIND_MIDDLE,
  FIND_SOMEBODY,
  listLookUps,
  listPages,
  type Somebody,
} from '../../services/user/test/directory/directory-reads.ts';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';
import { percentile } from '../trail/open-trail.ts';
import { costOf, medianCostOf } from './database-cpu.ts';
import { measureNewUser } from './new-user.ts';
import { mixTerms, SAMPLE, WORST_TERMS, type Searched } from './search-terms.ts';

const USERS = Number(process.env.DIRECTORY_USERS ?? 1_000_000);
const SEARCHES = 400;
const PAGE = 50;

type Db = Kysely<Tables>;

interface Filled {
  /** As the user service, over one connection. */
  db: Db;
  /** The database process behind it. */
  pid: number;
  /** As superuser. */
  rows: Rows;
}

/** One search as the route makes it: the candidates, then the users of the first page. */
async function search(db: Db, term: string): Promise<{ found: number; more: boolean }> {
  const { ranked, more } = await findCandidates(db, term);
  const page = ranked.slice(0, PAGE);
  await findDirectoryUsers(
    db,
    page.map(({ id }) => id),
  );
  return { found: ranked.length, more };
}

/** Each term is searched once, after as many others. */
async function measureMix({ db, pid, rows }: Filled): Promise<Measurement[]> {
  const people = await rows<Searched>(SAMPLE, [2 * SEARCHES]);
  const terms = mixTerms(people);
  const times: { kind: string; ms: number }[] = [];
  for (const { kind, term } of terms)
    times.push({ kind, ms: await costOf(pid, () => search(db, term)) });
  const measured = times.slice(SEARCHES);
  const all = measured.map(({ ms }) => ms);
  const byKind = Map.groupBy(measured, ({ kind }) => kind);
  return [
    {
      what: `search among ${USERS} users, p95`,
      value: percentile(all, 0.95),
      unit: 'ms of PostgreSQL',
      goal: { atMost: 10 },
      beside: `p50 ${percentile(all, 0.5).toFixed(2)} ms; ${SEARCHES} searches by 9 kinds of terms`,
    },
    ...[...byKind].map(([kind, ofKind]) => ({
      what: `search by ${kind}, p95`,
      value: percentile(
        ofKind.map(({ ms }) => ms),
        0.95,
      ),
      unit: 'ms of PostgreSQL',
      beside: `p50 ${percentile(
        ofKind.map(({ ms }) => ms),
        0.5,
      ).toFixed(2)} ms`,
    })),
  ];
}

async function measureWorst({ db, pid }: Filled): Promise<Measurement[]> {
  const measured: Measurement[] = [];
  for (const [what, term] of Object.entries(WORST_TERMS)) {
    const { found, more } = await search(db, term);
    measured.push({
      what: `search for ${what}: «${term}»`,
      value: await medianCostOf(pid, () => search(db, term)),
      unit: 'ms of PostgreSQL',
      beside: `${found} found${more ? ' at least' : ''}`,
    });
  }
  return measured;
}

async function measureReads({ db, pid, rows }: Filled): Promise<Measurement[]> {
  const [middle] = await rows<{ id: string }>(FIND_MIDDLE);
  const [somebody] = await rows<Somebody>(FIND_SOMEBODY, [middle?.id]);
  if (!somebody) throw new Error('There are no users.');
  const ids = (await rows<Searched>(SAMPLE, [200])).map(({ id }) => id);
  const measured: Measurement[] = [];
  for (const [what, read] of Object.entries({
    ...listPages(somebody),
    ...listLookUps(somebody, ids),
  }))
    measured.push({
      what,
      value: await medianCostOf(pid, () => read(db)),
      unit: 'ms of PostgreSQL',
    });
  return measured;
}

/** Measures searches, lists and look-ups as the service's role, over one connection. */
export async function measureFilled(serviceUrl: string, rows: Rows): Promise<Measurement[]> {
  const { db } = createDatabase<Tables>({
    url: serviceUrl,
    applicationName: 'bench',
    poolMax: 1,
    statementTimeoutMs: 60_000,
  });
  try {
    const { rows: own } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    const filled = { db, rows, pid: own[0]?.pid ?? 0 };
    return [
      ...(await measureMix(filled)),
      ...(await measureWorst(filled)),
      ...(await measureReads(filled)),
      ...(await measureNewUser(rows)),
    ];
  } finally {
    await db.destroy();
  }
}

/** Fills the directory of a fleet with a million users and measures what the database does. */
export async function measureDirectoryMillion(fleet: Fleet): Promise<Measurement[]> {
  const { environments, postgres } = await fleet.describe();
  const clients = [1, 2].map(() => new pg.Client({ connectionString: postgres.url }));
  for (const client of clients) {
    await client.connect();
    await client.query(`set synchronous_commit = off; set maintenance_work_mem = '1GB'`);
  }
  try {
    const [rows] = clients.map(rowsOf) as [Rows];
    await rows(`alter system set max_wal_size = '8GB'`);
    await rows('select pg_reload_conf()');
    const startedAt = performance.now();
    await insertCrowd(clients.map(rowsOf), USERS);
    console.error(`  ${((performance.now() - startedAt) / 1_000).toFixed(0)} s: filled`);
    await rows('checkpoint');
    return await measureFilled(environments.user.DATABASE_URL ?? '', rows);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
