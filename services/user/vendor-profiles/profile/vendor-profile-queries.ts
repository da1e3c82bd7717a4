import {
  sql,
  type Kysely,
  type RawBuilder,
  type SelectQueryBuilder,
  type Transaction,
} from 'kysely';
import type { Tables, User, VendorProfile } from '../../tables.ts';
import type { StatedProfile } from '../fields/check-profile.ts';

export interface ProfilePage {
  limit: number;
  /** Only profiles with smaller ids, so older ones. */
  before: string | undefined;
  /** Whether profiles of vendors who are not active are listed too. */
  unlisted: boolean;
}

type Profiles = SelectQueryBuilder<Tables, 'identity.vendor_profiles', object>;

const profiles = (db: Kysely<Tables>): Profiles => db.selectFrom('identity.vendor_profiles');

const readPage = (query: Profiles, { limit, unlisted }: ProfilePage) =>
  query
    .selectAll()
    .$if(!unlisted, (listed) => listed.where('is_listed', '=', sql.lit(true)))
    .limit(limit);

/** Newest first, as each list is. */
export const selectProfiles = (db: Kysely<Tables>, page: ProfilePage) =>
  readPage(profiles(db), page)
    .$if(page.before !== undefined, (older) => older.where('id', '<', page.before ?? ''))
    .orderBy('id', 'desc');

/**
 * The profiles with a value in an indexed column. A range of that one value, since by an equality
 * PostgreSQL may walk the newest profiles instead, of which none need have it.
 */
function selectByKey(
  db: Kysely<Tables>,
  { column, value }: { column: 'business_type_key' | 'country_code'; value: RawBuilder<string> },
  page: ProfilePage,
) {
  const { before } = page;
  const key = sql.ref<string>(column);
  return readPage(profiles(db), page)
    .where(key, '>=', value)
    .where(
      before === undefined
        ? sql<boolean>`${key} <= ${value}`
        : sql<boolean>`(${key}, id) < (${value}, ${before}::uuid)`,
    )
    .orderBy(key, 'desc')
    .orderBy('id', 'desc');
}

export const selectProfilesByCountry = (db: Kysely<Tables>, code: string, page: ProfilePage) =>
  selectByKey(db, { column: 'country_code', value: sql`${code}` }, page);

/** The type is folded as its column is. */
export const selectProfilesByType = (db: Kysely<Tables>, type: string, page: ProfilePage) =>
  selectByKey(
    db,
    { column: 'business_type_key', value: sql`identity.business_type_key(${type})` },
    page,
  );

export async function findProfile(
  db: Kysely<Tables>,
  by: { id: string } | { user_id: string },
): Promise<VendorProfile | undefined> {
  const [column, value] =
    'id' in by ? (['id', by.id] as const) : (['user_id', by.user_id] as const);
  return profiles(db).selectAll().where(column, '=', value).executeTakeFirst();
}

/** The profiles of some users, in no order. */
export const selectProfilesOfUsers = (db: Kysely<Tables>, userIds: readonly string[]) =>
  profiles(db)
    .selectAll()
    .where(sql<boolean>`user_id = any(${userIds}::uuid[])`);

/** Locks a profile until the transaction ends. Lock its user before: triggers go that way. */
export async function lockProfile(
  trx: Transaction<Tables>,
  id: string,
): Promise<VendorProfile | undefined> {
  return profiles(trx).selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

export interface NewProfile extends StatedProfile {
  id: string;
  user_id: string;
  created_by: string;
}

/** Undefined where the user has a profile already; the unique key decides. */
export async function insertProfile(
  trx: Transaction<Tables>,
  profile: NewProfile,
): Promise<VendorProfile | undefined> {
  return trx
    .insertInto('identity.vendor_profiles')
    .values({ ...profile, updated_by: profile.created_by })
    .onConflict((conflict) => conflict.column('user_id').doNothing())
    .returningAll()
    .executeTakeFirst();
}

/** Changes a locked profile. */
export async function updateProfile(
  trx: Transaction<Tables>,
  id: string,
  change: { profile: StatedProfile; updatedBy: string },
): Promise<VendorProfile> {
  return trx
    .updateTable('identity.vendor_profiles')
    .set({ ...change.profile, updated_by: change.updatedBy, updated: sql<Date>`now()` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function deleteProfile(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx.deleteFrom('identity.vendor_profiles').where('id', '=', id).execute();
}

/** What a user's row says of the profile. */
type ProfileStatus = Pick<User, 'is_profile_updated' | 'is_profile_reverified'>;

/** Sets what the row of a locked user says of the profile, where it says otherwise. */
export async function updateProfileStatus(
  trx: Transaction<Tables>,
  user: User,
  status: ProfileStatus,
): Promise<void> {
  const { is_profile_updated: updated, is_profile_reverified: verified } = user;
  if (updated === status.is_profile_updated && verified === status.is_profile_reverified) return;
  await trx
    .updateTable('identity.users')
    .set({
      ...status,
      ...(!status.is_profile_reverified && { profile_reverified_at: null }),
      updated: sql<Date>`now()`,
    })
    .where('id', '=', user.id)
    .execute();
}
