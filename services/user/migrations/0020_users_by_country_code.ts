import { sql, type Kysely } from 'kysely';

export const transaction = false;

/** The list of a country goes by its code. The index of typed names, never released, goes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index concurrently if exists identity.users_by_country_code`.execute(db);
  await sql`
    create index concurrently users_by_country_code on identity.users (country_code, created, id)
    where not service and country_code is not null`.execute(db);
  await sql`drop index concurrently if exists identity.users_by_country`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index identity.users_by_country_code`.execute(db);
  await sql`
    create index users_by_country on identity.users (country, created, id)
    where not service and country is not null`.execute(db);
}
