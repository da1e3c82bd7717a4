import { readUser, type ImportedUser } from './rows/read-user.ts';
import type { SentRow } from './rows/row.ts';
import { fromAuth0 } from './sources/auth0.ts';
import { fromFirebase, type FirebaseParameters } from './sources/firebase.ts';
import { fromMuniment } from './sources/muniment.ts';
import { fromSupabase } from './sources/supabase.ts';

/** The systems whose exports are understood as they are. */
export const SOURCES = ['muniment', 'supabase', 'auth0', 'firebase'] as const;
export type ImportSource = (typeof SOURCES)[number];

type Fields = NonNullable<SentRow['fields']>;

/** @throws RowRefused */
export function mapRow(
  source: ImportSource,
  fields: Fields,
  parameters: FirebaseParameters | undefined,
): ImportedUser {
  switch (source) {
    case 'supabase':
      return readUser(fromSupabase(fields));
    case 'auth0':
      return readUser(fromAuth0(fields));
    case 'firebase':
      return readUser(fromFirebase(fields, parameters));
    case 'muniment':
      return readUser(fromMuniment(fields));
  }
}
