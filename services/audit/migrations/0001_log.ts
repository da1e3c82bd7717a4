import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Append-only by grants; partitioned by range of id (UUIDv7 begins with its time), so that PRIMARY KEY (id) holds over all partitions.
  // `record` holds the sealed bytes; the columns are projections of them. The ciphertext stands outside the seal: keys rotate and are destroyed.
  await sql`
    create table audit.events (
      id uuid not null,
      source text not null,
      lane smallint not null,
      seq bigint not null,
      tenant_id text,
      action text not null,
      outcome text not null,
      user_id uuid,
      subject text,
      resource text,
      resource_type text,
      session_id uuid,
      request_id text not null,
      error text,
      timestamp timestamptz not null,
      record text not null,
      personal_key_id uuid,
      personal_nonce text,
      personal_ciphertext text,
      primary key (id)
    ) partition by range (id)`.execute(db);
  await sql`create table audit.events_default partition of audit.events default`.execute(db);
  await sql`create index events_subject on audit.events (subject, id desc)`.execute(db);
  await sql`create index events_user on audit.events (user_id, id desc)`.execute(db);
  await sql`create index events_lane on audit.events (source, lane, seq)`.execute(db);

  // A month's partition covers the ids from its first instant to the next month's.
  await sql`
    create function audit.uuid_floor(at timestamptz) returns uuid language sql immutable as $$
      select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
    $$`.execute(db);
  await sql`
    create function audit.ensure_partitions(months_ahead integer) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
    declare month timestamptz := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC';
            name text;
    begin
      perform pg_advisory_xact_lock(7305149);
      for i in 0..least(months_ahead, 24) loop
        name := 'events_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        if to_regclass('audit.' || name) is null then
          -- An id from a clock that runs far ahead lies in the default partition and forbids its month a partition of its own. That month
          -- stays in the default one; the others must not go without for it.
          begin
            execute format('create table audit.%I partition of audit.events for values from (%L) to (%L)',
              name, audit.uuid_floor(month), audit.uuid_floor(month + interval '1 month'));
          exception when check_violation then
            raise warning 'partition % is not made: the default partition holds rows of that month', name;
          end;
        end if;
        month := month + interval '1 month';
      end loop;
    end $$`.execute(db);
  await sql`select audit.ensure_partitions(2)`.execute(db);
  await sql`revoke all on function audit.ensure_partitions(integer), audit.uuid_floor(timestamptz) from public`.execute(
    db,
  );
  await sql`grant execute on function audit.ensure_partitions(integer) to audit_service`.execute(
    db,
  );

  // What has arrived of each lane. The watermark stands before the first number missing: all up to it is stored.
  await sql`
    create table audit.lanes (
      source text not null,
      lane smallint not null,
      received int8multirange not null default '{}',
      duplicates bigint not null default 0,
      watermark bigint generated always as (lower(int8multirange(int8range(1, null)) - received) - 1) stored,
      primary key (source, lane)
    )`.execute(db);
  await sql`
    insert into audit.lanes (source, lane)
    select source, lane from unnest(array['user', 'file', 'audit', 'app']) source, generate_series(0, 15) lane`.execute(
    db,
  );
  // A shard belongs to whoever holds its row: `epoch` grows with each owner, and the transaction that stores names owner and epoch.
  await sql`
    create table audit.shards (
      stream text not null,
      stream_created timestamptz not null,
      shard_id text not null,
      parent_ids text[] not null default '{}',
      checkpoint text,
      ended boolean not null default false,
      owner text,
      epoch bigint not null default 0,
      expires_at timestamptz not null default '-infinity',
      primary key (stream, stream_created, shard_id)
    )`.execute(db);
  // Who is alive, so that each may take its fair share of the shards.
  await sql`create table audit.consumers (name text primary key, expires_at timestamptz not null)`.execute(
    db,
  );
  await sql`
    create table audit.quarantine (
      id uuid primary key default uuidv7(),
      stream text not null,
      shard_id text not null,
      sequence_number text not null,
      reason text not null,
      data bytea not null,
      received_at timestamptz not null default now(),
      unique (stream, shard_id, sequence_number)
    )`.execute(db);

  await sql`grant select, insert on audit.events, audit.quarantine to audit_service`.execute(db);
  await sql`grant select, update on audit.lanes to audit_service`.execute(db);
  await sql`grant select, insert, update, delete on audit.shards, audit.consumers to audit_service`.execute(
    db,
  );

  await sql`
    create view shared.stored_watermarks with (security_barrier) as select source, lane, watermark from audit.lanes`.execute(
    db,
  );
  await sql`grant select on shared.stored_watermarks to user_service, file_service, audit_service`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop view shared.stored_watermarks`.execute(db);
  await sql`drop table audit.events, audit.lanes, audit.shards, audit.consumers, audit.quarantine`.execute(
    db,
  );
  await sql`drop function audit.ensure_partitions(integer), audit.uuid_floor(timestamptz)`.execute(
    db,
  );
}
