import { sql, type Kysely, type RawBuilder } from 'kysely';

const OUTBOXES = { user: 'identity', file: 'files', audit: 'audit' } as const;

/** The outboxes that there are, by source. */
async function outboxes(db: Kysely<unknown>): Promise<[source: string, schema: string][]> {
  const { rows } = await sql<{ schema: string }>`
    select schemaname as schema from pg_tables where tablename = 'outbox_lanes' and schemaname <> all(${Object.values(OUTBOXES)})`.execute(db);
  return [...Object.entries(OUTBOXES), ...rows.map(({ schema }): [string, string] => ['app', schema])];
}

export async function up(db: Kysely<unknown>): Promise<void> {
  const all = await outboxes(db);
  const union = (part: (source: RawBuilder<unknown>, schema: string) => RawBuilder<unknown>): RawBuilder<unknown> =>
    sql.join(all.map(([source, schema]) => part(sql`${sql.lit(source)}::text`, schema)), sql` union all `);

  // What the producers say of themselves. Numbers, ids and digests: no service reads what another wrote.
  await sql`create view shared.assigned_sequences as
    ${union((source, schema) => sql`select ${source} as source, lane, last_seq from ${sql.table(`${schema}.outbox_lanes`)}`)}`.execute(db);
  await sql`create view shared.outbox_records as
    ${union((source, schema) => sql`
      select ${source} as source, lane, seq, event_id, sha256(convert_to(head || ',"seq":' || seq || ',' || tail, 'UTF8')) as digest
      from ${sql.table(`${schema}.outbox`)} where seq is not null`)}`.execute(db);
  await sql`create view shared.outbox_backlogs as
    ${union((source, schema) => sql`
      select ${source} as source, (select count(*) from (select from ${sql.table(`${schema}.outbox`)} limit 100001) counted) as rows,
        (select created_at from ${sql.table(`${schema}.outbox`)} order by position limit 1) as oldest_at`)}`.execute(db);
  await sql`grant select on shared.assigned_sequences, shared.outbox_records, shared.outbox_backlogs to audit_service`.execute(db);

  // Numbers that were assigned and are not stored, with the time at which they were first missed. A number that was missing then and is
  // missing now has been missing in between: numbers arrive once.
  await sql`
    create table audit.holes (
      source text not null,
      lane smallint not null,
      first_seen timestamptz not null,
      numbers int8multirange not null,
      reported boolean not null default false,
      primary key (source, lane, first_seen)
    )`.execute(db);
  // A stream that lost what it held: it was made anew, or dropped a shard that had not been read to its end.
  await sql`
    create table audit.stream_losses (
      id uuid primary key default uuidv7(),
      stream text not null,
      kind text not null check (kind in ('made_anew', 'shard_trimmed')),
      shard_id text,
      noticed_at timestamptz not null default now()
    )`.execute(db);
  await sql`alter table audit.shards add column lag_ms bigint, add column read_at timestamptz`.execute(db);
  await sql`grant select, insert, update, delete on audit.holes to audit_service`.execute(db);
  await sql`grant select, insert on audit.stream_losses to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table audit.shards drop column lag_ms, drop column read_at`.execute(db);
  await sql`drop table audit.holes, audit.stream_losses`.execute(db);
  await sql`drop view shared.assigned_sequences, shared.outbox_records, shared.outbox_backlogs`.execute(db);
}
