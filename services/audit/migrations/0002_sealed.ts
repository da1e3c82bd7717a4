import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Which leaf of the Merkle log an event is. Both columns are unique over the whole log, whatever becomes of the event's partition: a second
  // sealer, or one that went back in time, is refused by the table itself.
  await sql`
    create table audit.sealed (
      index bigint primary key check (index >= 0),
      event_id uuid not null unique
    )`.execute(db);
  // Full tiles of 256 hashes (C2SP tlog-tiles). Kept for ever: proofs outlive the events' retention.
  await sql`
    create table audit.tiles (
      level smallint not null check (level >= 0),
      index bigint not null check (index >= 0),
      hashes bytea not null check (octet_length(hashes) = 8192),
      primary key (level, index)
    )`.execute(db);
  // The head: how many leaves, and the hashes of the tiles that are not full yet, the lowest level first. One row.
  await sql`
    create table audit.tree (
      id boolean primary key default true check (id),
      size bigint not null default 0,
      edge bytea not null default ''
    )`.execute(db);
  await sql`insert into audit.tree default values`.execute(db);
  // All numbers of a lane up to this one are sealed, or have no event (quarantined, dismissed).
  await sql`
    create table audit.seal_lanes (
      source text not null,
      lane smallint not null,
      sealed_seq bigint not null default 0,
      primary key (source, lane)
    )`.execute(db);
  await sql`insert into audit.seal_lanes (source, lane) select source, lane from audit.lanes`.execute(
    db,
  );
  // Events that were stored after their lane had been sealed past them: a replay from quarantine puts its events here in its transaction.
  await sql`create table audit.seal_late (event_id uuid primary key)`.execute(db);
  // What was signed. A size is signed once: two roots for one size would be two histories.
  await sql`
    create table audit.checkpoints (
      size bigint primary key check (size >= 0),
      root bytea not null check (octet_length(root) = 32),
      note text not null,
      created_at timestamptz not null default clock_timestamp()
    )`.execute(db);
  await sql`grant select, insert on audit.sealed, audit.tiles, audit.checkpoints to audit_service`.execute(
    db,
  );
  await sql`grant select, update on audit.tree, audit.seal_lanes to audit_service`.execute(db);
  await sql`grant select, insert, delete on audit.seal_late to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit.checkpoints, audit.seal_late, audit.seal_lanes, audit.tree, audit.tiles, audit.sealed`.execute(
    db,
  );
}
