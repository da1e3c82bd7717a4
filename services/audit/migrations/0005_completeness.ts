import { sql, type Kysely, type RawBuilder } from 'kysely';

const OUTBOXES = { user: 'identity', file: 'files', audit: 'audit', app: 'app' } as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  const union = (
    part: (source: RawBuilder<unknown>, schema: string) => RawBuilder<unknown>,
  ): RawBuilder<unknown> =>
    sql.join(
      Object.entries(OUTBOXES).map(([source, schema]) =>
        part(sql`${sql.lit(source)}::text`, schema),
      ),
      sql` union all `,
    );

  // What the producers say of themselves. Numbers, ids and digests: no service reads what another wrote.
  await sql`create view shared.assigned_sequences as
    ${union((source, schema) => sql`select ${source} as source, lane, last_seq from ${sql.table(`${schema}.outbox_lanes`)}`)}`.execute(
    db,
  );
  await sql`create view shared.outbox_records as
    ${union(
      (source, schema) => sql`
      select ${source} as source, lane, seq, event_id, sha256(convert_to(head || ',"seq":' || seq || ',' || tail, 'UTF8')) as digest
      from ${sql.table(`${schema}.outbox`)} where seq is not null`,
    )}`.execute(db);
  await sql`create view shared.outbox_backlogs as
    ${union(
      (source, schema) => sql`
      select ${source} as source, (select count(*) from (select from ${sql.table(`${schema}.outbox`)} limit 100001) counted) as rows,
        (select created_at from ${sql.table(`${schema}.outbox`)} order by position limit 1) as oldest_at`,
    )}`.execute(db);
  await sql`grant select on shared.assigned_sequences, shared.outbox_records, shared.outbox_backlogs to audit_service`.execute(
    db,
  );

  // Which of these an outbox has sent, by number, id and digest. One look by the index for each: an outbox may be empty when this is planned
  // and hold millions an hour later, and a plan that reads it whole would then be run for every batch.
  await sql`
    create function shared.find_sent(wanted text, lanes smallint[], seqs bigint[], ids uuid[], digests bytea[]) returns setof integer
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
      select w.n::integer
      from unnest(lanes, seqs, ids, digests) with ordinality as w(lane, seq, id, digest, n)
      cross join lateral (
        select o.event_id, o.digest from shared.outbox_records o where o.source = wanted and o.lane = w.lane and o.seq = w.seq offset 0) o
      where o.event_id = w.id and o.digest = w.digest
    $$`.execute(db);
  await sql`revoke all on function shared.find_sent(text, smallint[], bigint[], uuid[], bytea[]) from public`.execute(
    db,
  );
  await sql`grant execute on function shared.find_sent(text, smallint[], bigint[], uuid[], bytea[]) to audit_service`.execute(
    db,
  );

  // Why a record is no entry of the trail, and what it claims to be. «counted»: its number counts as received, so the trail lacks this event
  // until it is replayed. A replay is a row of its own: nothing here is ever changed.
  await sql`alter table audit.quarantine rename column reason to detail`.execute(db);
  await sql`
    alter table audit.quarantine
      add column reason text not null default 'unreadable' check (reason in ('unreadable', 'forged', 'contradiction', 'refused')),
      add column counted boolean not null default false,
      add column size integer not null default 0,
      add column source text,
      add column lane smallint,
      add column seq bigint,
      add column event_id uuid`.execute(db);
  await sql`create index quarantine_reason on audit.quarantine (reason, id)`.execute(db);
  await sql`create index quarantine_counted on audit.quarantine (id) where counted`.execute(db);
  await sql`
    create table audit.quarantine_replays (
      quarantine_id uuid primary key references audit.quarantine on delete cascade,
      event_id uuid not null,
      outcome text not null check (outcome in ('stored', 'known')),
      replayed_by uuid,
      replayed_at timestamptz not null default now()
    )`.execute(db);
  await sql`grant select, insert on audit.quarantine_replays to audit_service`.execute(db);

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
  // Numbers that an operator has given up: their events exist nowhere any more. They count as received, so that the lane goes on; this says that
  // they are not in the log, for as long as there is one.
  await sql`
    create table audit.declared_lost (
      source text not null,
      lane smallint not null,
      first_seq bigint not null,
      last_seq bigint not null check (last_seq >= first_seq),
      event_id uuid not null,
      declared_at timestamptz not null default now(),
      primary key (source, lane, first_seq)
    )`.execute(db);
  await sql`grant select, insert on audit.declared_lost to audit_service`.execute(db);
  // A stream that lost what it held: it was made anew, or dropped a shard that had not been read to its end.
  await sql`
    create table audit.stream_losses (
      id uuid primary key default uuidv7(),
      stream text not null,
      kind text not null check (kind in ('made_anew', 'shard_trimmed')),
      shard_id text,
      noticed_at timestamptz not null default now()
    )`.execute(db);
  await sql`alter table audit.shards add column lag_ms bigint, add column read_at timestamptz`.execute(
    db,
  );
  await sql`grant select, insert, update, delete on audit.holes to audit_service`.execute(db);

  // What the reconciler may know of events: what was done, when, to which row, and which session it opened. The log and the outboxes in one,
  // since an event is in one of them at any instant, however long the way between them takes.
  const session = (
    record: RawBuilder<unknown>,
    sessionId: RawBuilder<unknown>,
  ): RawBuilder<unknown> => sql`
    case when action in ('SIGNUP_SUCCESS', 'LOGIN_SUCCESS') then ${sessionId}
      when action = 'PASSWORD_CHANGED' then ${record} #>> '{metadata,new_session_id}'
      when action in ('USER_CREATED', 'USER_UPDATED') and ${record} #>> '{metadata,by}' = 'operator' then ${sessionId} end`;
  await sql`create view shared.acts as
    select id, action, resource, user_id, ${session(sql`record::jsonb`, sql`session_id::text`)} as opened_session, false as pending
    from audit.events where outcome = 'success'
    union all
    select (record ->> 'id')::uuid, action, record ->> 'resource', (record ->> 'user_id')::uuid, ${session(sql`record`, sql`record ->> 'session_id'`)}, true
    from (
      select record, record ->> 'action' as action from (
        ${union((_source, schema) => sql`select (head || ',' || tail)::jsonb as record from ${sql.table(`${schema}.outbox`)}`)}
      ) written where record ->> 'outcome' = 'success'
    ) waiting`.execute(db);
  await sql`create view shared.oldest_event as select id from audit.events order by id limit 1`.execute(
    db,
  );
  await sql`
    create table audit.differences (
      kind text not null check (kind in ('row_without_event', 'event_without_row', 'change_without_event')),
      row_type text not null,
      row_id text not null,
      first_seen timestamptz not null default now(),
      resolved_at timestamptz,
      primary key (kind, row_type, row_id)
    )`.execute(db);
  await sql`create index differences_open on audit.differences (first_seen) where resolved_at is null`.execute(
    db,
  );
  await sql`
    create table audit.reconciliation (
      id boolean primary key default true check (id),
      checked_until timestamptz,
      swept_at timestamptz,
      unverifiable_rows bigint not null default 0
    )`.execute(db);
  await sql`insert into audit.reconciliation default values`.execute(db);
  await sql`grant usage on schema shared, audit to audit_reconciler`.execute(db);
  await sql`grant select on shared.acts, shared.oldest_event to audit_reconciler`.execute(db);
  await sql`grant execute on function audit.uuid_floor(timestamptz) to audit_reconciler`.execute(
    db,
  );
  await sql`grant select, insert, update on audit.differences to audit_reconciler`.execute(db);
  await sql`grant select, update on audit.reconciliation to audit_reconciler`.execute(db);
  await sql`grant select on audit.differences, audit.reconciliation to audit_service`.execute(db);
  await sql`grant select, insert on audit.stream_losses to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table audit.shards drop column lag_ms, drop column read_at`.execute(db);
  await sql`drop view shared.acts, shared.oldest_event`.execute(db);
  await sql`revoke execute on function audit.uuid_floor(timestamptz) from audit_reconciler`.execute(
    db,
  );
  await sql`revoke usage on schema audit from audit_reconciler`.execute(db);
  await sql`drop table audit.holes, audit.declared_lost, audit.stream_losses, audit.differences, audit.reconciliation`.execute(
    db,
  );
  await sql`drop table audit.quarantine_replays`.execute(db);
  await sql`
    alter table audit.quarantine
      drop column reason, drop column counted, drop column size, drop column source, drop column lane, drop column seq, drop column event_id`.execute(
    db,
  );
  await sql`alter table audit.quarantine rename column detail to reason`.execute(db);
  await sql`drop function shared.find_sent`.execute(db);
  await sql`drop view shared.assigned_sequences, shared.outbox_records, shared.outbox_backlogs`.execute(
    db,
  );
}
