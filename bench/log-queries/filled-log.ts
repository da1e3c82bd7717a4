import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '@muniment/cluster';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from '../../scripts/migrations.ts';

const MONTHS = 6;

export interface FilledLog {
  /** As the audit service's role. */
  url: string;
  superuser: pg.Client;
  rows: number;
  stop(): Promise<void>;
}

/** One event a row from its number: skewed as a trail is, with an action, a resource, a source and a tenant of which there are few. */
const EVENTS = (from: number, to: number, startMs: number, stepMs: number): string => `
  insert into audit.events (id, source, lane, seq, tenant_id, action, outcome, user_id, subject, resource, resource_type, session_id, request_id, timestamp, record)
  select id, source, n % 16, n / 16 + 1, tenant, action, outcome, actor::uuid, actor, resource, resource_type, md5('s' || n / 20)::uuid, request, at,
    format('{"action":"%s","error":null,"id":"%s","lane":%s,"metadata":{"filename":"report-%s.pdf","size":%s,"text":"%s"},"outcome":"%s","personal":{"commitment":"%s","subject":"%s"},"request_id":"%s","resource":"%s","resource_type":"file","seq":%s,"session_id":null,"source":"%s","tenant_id":null,"timestamp":"%s","traceparent":null,"user_id":"%s","version":1}',
      action, id, n % 16, n, n * 7, md5(n::text), outcome, 'NnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnM=', actor, request, resource, n / 16 + 1, source, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), actor)
  from (
    select n, (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid as id, to_timestamp(ms / 1000.0) as at,
      case when n % 100 = 7 then 'app' when n % 1000 = 3 then 'audit' when n % 3 = 0 then 'file' else 'user' end as source,
      case when n % 100 = 7 then 'tenant-' || (n / 100) % 500 end as tenant,
      case when n % 200000 = 11 then 'RARE_ACTION' when n % 50 = 1 then 'LOGIN_FAIL' when n % 3 = 0 then (array['FILE_DOWNLOAD', 'FILE_DOWNLOAD', 'FILE_UPLOAD', 'FILE_DELETE'])[(n / 3 % 4 + 1)::int] else (array['LOGIN_SUCCESS', 'TOKEN_REFRESHED', 'LOGOUT', 'USER_UPDATED'])[(n % 4 + 1)::int] end as action,
      case when n % 50 = 1 then 'failure' else 'success' end as outcome, md5('u' || (n % 50000))::uuid::text as actor,
      case when n % 3 = 0 then 'file-' || n % 400000 end as resource, case when n % 300000 = 17 then 'contract' when n % 3 = 0 then 'file' end as resource_type, md5('r' || n) as request
    from (select n, (${startMs}::bigint + n * ${stepMs})::bigint as ms from generate_series(${from}::bigint, ${to - 1}::bigint) n) numbered
  ) made`;

/** A server of its own with a sealed log of so many events over six months' partitions and the month that runs. */
export async function startFilledLog(rows: number): Promise<FilledLog> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-audit-log-'));
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
  await ensureRolesAndDatabase(
    server.superuserUrl,
    'muniment',
    Object.fromEntries(ROLES.map((role) => [role, 'bench'])) as Record<Role, string>,
  );
  const at = (role?: string): string => {
    const url = new URL(server.superuserUrl);
    url.pathname = '/muniment';
    if (role) url.username = role;
    return url.href;
  };
  await migrateToLatest(at('migrator'), migrationSets);
  const superuser = new pg.Client({ connectionString: at() });
  await superuser.connect();
  await superuser.query(
    "set maintenance_work_mem = '1GB'; set synchronous_commit = off; set work_mem = '256MB'",
  );

  const now = new Date();
  const months = Array.from(
    { length: MONTHS + 1 },
    (_, n) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS + n)),
  );
  for (const [n, month] of months.entries()) {
    const end = months[n + 1];
    if (!end) break;
    await superuser.query(
      `create table audit.events_${month.toISOString().slice(0, 7).replace('-', '_')} partition of audit.events for values from (audit.uuid_floor('${month.toISOString()}')) to (audit.uuid_floor('${end.toISOString()}'))`.replaceAll(
        /audit\.uuid_floor\('([^']+)'\)/g,
        (_, time: string) =>
          `('${Date.parse(time)
            .toString(16)
            .padStart(12, '0')
            .replace(/^(.{8})(.{4})$/, '$1-$2')}-0000-0000-000000000000')`,
      ),
    );
  }
  // Filled first and indexed then: sorted, an index of ten million rows takes seconds instead of minutes.
  const indexes = (
    await superuser.query<{ name: string; definition: string }>(`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index where indrelid = 'audit.events'::regclass and not indisprimary`)
  ).rows;
  for (const { name } of indexes) await superuser.query(`drop index ${name}`);
  const startMs = months[0]?.getTime() ?? 0;
  const stepMs = Math.floor((now.getTime() - startMs) / rows);
  const PIECE = 500_000;
  for (let from = 0; from < rows; from += PIECE) {
    await superuser.query(EVENTS(from, Math.min(rows, from + PIECE), startMs, stepMs));
    console.error(`${Math.min(rows, from + PIECE)} of ${rows} events`);
  }
  await superuser.query(
    'insert into audit.sealed (index, event_id) select row_number() over (order by id) - 1, id from audit.events order by id',
  );
  await superuser.query(`insert into audit.search_terms (term, event_id, subject)
    select substr(sha256(convert_to('ip' || lane || seq % 2000, 'UTF8')), 1, 16), id, subject from audit.events where seq % 5 = 0 order by 1, 2`);
  console.error('sealed');
  for (const { definition } of indexes)
    await superuser.query(definition.replace(' ON ONLY ', ' ON '));
  await superuser.query(
    'vacuum analyze audit.events; vacuum analyze audit.sealed; vacuum analyze audit.search_terms'.split(
      ';',
    )[0] ?? '',
  );
  for (const table of ['audit.sealed', 'audit.search_terms'])
    await superuser.query(`vacuum analyze ${table}`);
  return {
    url: at('audit_service'),
    superuser,
    rows,
    async stop() {
      await superuser.end();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
