import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeHash } from '@muniment/audit-verify';
import { startPostgres } from '@muniment/cluster';
import { acquireLease, createDatabase, type Database, type Lease } from '@muniment/database';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from '../../scripts/migrations.ts';
import { insertTiles } from '../../services/audit/proofs/tree/tile-queries.ts';
import { updateHead, findHead } from '../../services/audit/proofs/tree/tree-queries.ts';
import { growTree } from '../../services/audit/proofs/tree/grow-tree.ts';
import { sealBatch } from '../../services/audit/sealing/seal-batch.ts';
import { createTree } from '../../services/audit/proofs/tree/tree.ts';
import type { Tables } from '../../services/audit/tables.ts';
import type { Measurement } from '../report.ts';

type Db = Database<Tables>['db'];

const EVENTS = 300_000;
const LEAVES = 10_000_000;
const LEAVES_PER_STEP = 100_000;
const PROOFS = 2_000;
const BATCH = 4_000;

/** Runs `use` on a new migrated database, durable as the fleet's. */
async function withDatabase(
  use: (database: Database<Tables>) => Promise<Measurement[]>,
): Promise<Measurement[]> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-bench-sealing-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: true });
  try {
    await ensureRolesAndDatabase(
      postgres.superuserUrl,
      'muniment',
      Object.fromEntries(ROLES.map((role) => [role, 'bench'])) as Record<Role, string>,
    );
    const as = (username: string): string =>
      Object.assign(new URL(postgres.superuserUrl), { username, pathname: '/muniment' }).href;
    await migrateToLatest(as('migrator'), migrationSets);
    // The owner may also insert events, as a consumer would.
    const database = createDatabase<Tables>({
      url: as('migrator'),
      applicationName: 'bench',
      statementTimeoutMs: 120_000,
    });
    try {
      return await use(database);
    } finally {
      await database.db.destroy();
    }
  } finally {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Inserts unsealed events into all lanes of a source, with records of 500 bytes. */
async function insertEvents({ pool }: Database<Tables>, count: number): Promise<void> {
  await pool.query(`
    insert into audit.events
      (id, source, lane, seq, action, outcome, request_id, timestamp, record)
    select uuidv7(), 'user', n % 16, n / 16 + 1, 'LOGIN_SUCCESS', 'success', 'bench', now(),
      rpad('{"action":"LOGIN_SUCCESS","n":' || n, 500, 'x')
    from generate_series(0, ${count - 1}) n`);
  await pool.query(`
    update audit.lanes set received = int8multirange(int8range(1, ${count / 16 + 1}))
    where source = 'user'`);
  await pool.query('analyze audit.events');
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

async function measureRate(database: Database<Tables>, lease: Lease): Promise<Measurement[]> {
  await insertEvents(database, EVENTS);
  const { db } = database;
  const cpuBefore = cpuMs();
  const startedAt = performance.now();
  let sealed = 0;
  for (let more = true; more;) {
    const batch = await sealBatch(db, lease, { limit: BATCH });
    sealed += batch.sealed;
    ({ more } = batch);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuUs = (1_000 * (cpuMs() - cpuBefore)) / sealed;
  return [
    {
      what: 'events sealed per second, one sealer alone',
      value: sealed / seconds,
      unit: '/s',
      goal: { atLeast: 50_000 },
      beside: `${cpuUs.toFixed(1)} µs of CPU each in the sealer`,
    },
  ];
}

/** Grows the tree to `size` leaves. Proofs read only its tiles and head, so events are left out. */
async function growTo(db: Db, size: number): Promise<void> {
  let head = await findHead(db);
  while (head.size < size) {
    const leaves = randomBytes(32 * Math.min(LEAVES_PER_STEP, size - head.size));
    const hashes = Array.from({ length: leaves.length / 32 }, (_, n) =>
      leaves.subarray(32 * n, 32 * n + 32),
    );
    const grown = growTree(head, hashes);
    const before = head.size;
    await db.transaction().execute(async (trx) => {
      await insertTiles(trx, grown.tiles);
      if (!(await updateHead(trx, before, grown.head)))
        throw new Error('Another process has moved the tree.');
    });
    ({ head } = grown);
  }
}

async function measureProofs(db: Db): Promise<Measurement[]> {
  await growTo(db, LEAVES);
  const tree = createTree({ db });
  const randomIndex = (): number => Math.floor(Math.random() * LEAVES);
  for (let n = 0; n < 200; n += 1) await tree.inclusionProof(randomIndex(), LEAVES);
  const before = cpuMs();
  for (let n = 0; n < PROOFS; n += 1) await tree.inclusionProof(randomIndex(), LEAVES);
  const perProof = (cpuMs() - before) / PROOFS;
  const hash = Buffer.alloc(32, 1);
  const startedAt = performance.now();
  for (let n = 0; n < 200_000; n += 1) nodeHash(hash, hash);
  const perSecond = 200_000 / ((performance.now() - startedAt) / 1_000);
  return [
    {
      what: 'CPU of an inclusion proof of 10,000,000 leaves',
      value: perProof,
      unit: 'ms',
      goal: { atMost: 1 },
      beside:
        'random leaves, tiles read from the database; ' +
        `${(perSecond / 1_000).toFixed(0)}k node hashes/s`,
    },
  ];
}

/** Measures sealing and proofs on its own PostgreSQL, because the fleet's seals too. */
export async function measureSealing(): Promise<Measurement[]> {
  return withDatabase(async (database) => {
    const { db } = database;
    // PostgreSQL still writes what the migrations left.
    await sleep(500);
    const lease = await acquireLease(db, {
      schema: 'audit',
      name: 'sealer',
      holder: 'bench',
      ttlMs: 600_000,
    });
    if (!lease) throw new Error('Another sealer holds the lease.');
    return [...(await measureRate(database, lease)), ...(await measureProofs(db))];
  });
}
