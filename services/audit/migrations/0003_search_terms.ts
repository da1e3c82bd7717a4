import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Finds events by an address or an e-mail without holding either: HMACs that an erasure deletes.
  await sql`
    create table audit.search_terms (
      term bytea not null,
      event_id uuid not null,
      subject text not null,
      primary key (term, event_id)
    )`.execute(db);
  await sql`create index search_terms_subject on audit.search_terms (subject)`.execute(db);
  await sql`grant select, insert, delete on audit.search_terms to audit_service`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit.search_terms`.execute(db);
}
