import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '@muniment/cluster';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from '../../scripts/migrations.ts';
import { insertEvents } from './event-rows.ts';

const MONTHS = 6;
const BATCH_SIZE = 500_000;

export interface FilledLog {
  /** As the audit service's role. */
  url: string;
  superuser: pg.Client;
  rows: number;
  stop(): Promise<void>;
}

/** The first moments of the last six months, of this one and no later. */
export function listMonths(now: Date): Date[] {
  return Array.from(
    { length: MONTHS + 1 },
    (_, n) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS + n)),
  );
}

/** The lowest UUIDv7 of a moment. */
function uuidFloor(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.replace(/^(.{8})(.{4})$/, '$1-$2')}-0000-0000-000000000000`;
}

export async function createPartitions(
  superuser: pg.Client,
  months: readonly Date[],
): Promise<void> {
  for (const [n, month] of months.entries()) {
    const end = months[n + 1];
    if (!end) break;
    const suffix = month.toISOString().slice(0, 7).replace('-', '_');
    await superuser.query(`
      create table audit.events_${suffix} partition of audit.events
      for values from ('${uuidFloor(month)}') to ('${uuidFloor(end)}')`);
  }
}

/** Drops the indexes of the events. @returns their definitions */
export async function dropIndexes(superuser: pg.Client): Promise<string[]> {
  const { rows } = await superuser.query<{ name: string; definition: string }>(`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = 'audit.events'::regclass and not indisprimary`);
  for (const { name } of rows) await superuser.query(`drop index ${name}`);
  return rows.map(({ definition }) => definition);
}

async function fillEvents(superuser: pg.Client, rows: number, months: readonly Date[]) {
  const startMs = months[0]?.getTime() ?? 0;
  const stepMs = Math.floor((Date.now() - startMs) / rows);
  for (let from = 0; from < rows; from += BATCH_SIZE) {
    const to = Math.min(rows, from + BATCH_SIZE);
    await superuser.query(insertEvents({ from, to, startMs, stepMs }));
    console.error(`${to} of ${rows} events`);
  }
}

async function seal(superuser: pg.Client): Promise<void> {
  await superuser.query(`
    insert into audit.sealed (index, event_id)
    select row_number() over (order by id) - 1, id from audit.events order by id`);
  await superuser.query(`
    insert into audit.search_terms (term, event_id, subject)
    select substr(sha256(convert_to('ip' || lane || seq % 2000, 'UTF8')), 1, 16), id, subject
    from audit.events where seq % 5 = 0 order by 1, 2`);
  console.error('sealed');
}

async function fillLog(superuser: pg.Client, rows: number): Promise<void> {
  await superuser.query(`
    set maintenance_work_mem = '1GB'; set synchronous_commit = off; set work_mem = '256MB'`);
  const months = listMonths(new Date());
  await createPartitions(superuser, months);
  // Indexed after it is filled: sorting ten million rows takes seconds instead of minutes.
  const definitions = await dropIndexes(superuser);
  await fillEvents(superuser, rows, months);
  await seal(superuser);
  for (const definition of definitions)
    await superuser.query(definition.replace(' ON ONLY ', ' ON '));
  for (const table of ['audit.events', 'audit.sealed', 'audit.search_terms'])
    await superuser.query(`vacuum analyze ${table}`);
}

/** Starts a PostgreSQL with a sealed log of `rows` events, over six partitions and this month's. */
export async function startFilledLog(rows: number): Promise<FilledLog> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-audit-log-'));
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
  const passwords = Object.fromEntries(ROLES.map((role) => [role, 'bench']));
  await ensureRolesAndDatabase(server.superuserUrl, 'muniment', passwords as Record<Role, string>);
  const urlOf = (role?: string): string => {
    const url = new URL(server.superuserUrl);
    url.pathname = '/muniment';
    if (role) url.username = role;
    return url.href;
  };
  await migrateToLatest(urlOf('migrator'), migrationSets);
  const superuser = new pg.Client({ connectionString: urlOf() });
  await superuser.connect();
  await fillLog(superuser, rows);
  return {
    url: urlOf('audit_service'),
    superuser,
    rows,
    async stop() {
      await superuser.end();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
