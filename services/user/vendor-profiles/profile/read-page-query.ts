import { decodeCursor } from '@muniment/server';
import type { ProfileReader } from './profile-reader.ts';
import type { ProfilePage } from './vendor-profile-queries.ts';

/** The page that a request asks for, and one row more. @throws CursorInvalid */
export const readPageQuery = (
  { limit, cursor }: { limit: number; cursor?: string },
  { seesUnlisted: unlisted }: ProfileReader,
): ProfilePage => ({
  limit: limit + 1,
  before: cursor === undefined ? undefined : decodeCursor(cursor),
  unlisted,
});
