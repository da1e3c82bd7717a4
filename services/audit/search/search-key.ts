import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { MasterKey } from '@muniment/master-key';
import type { Tables } from '../tables.ts';
import { createSearchKey, findSearchKey } from './search-term-queries.ts';

const WRAP_CONTEXT = 'search-key';

/** Loads the search key once, and again after a failure. The first replica creates it. */
export function createSearchKeyLoader(
  db: Kysely<Tables>,
  masterKey: MasterKey,
): () => Promise<KeyObject> {
  let searchKey: Promise<KeyObject> | undefined;

  async function load(): Promise<KeyObject> {
    const wrapped =
      (await findSearchKey(db)) ??
      (await createSearchKey(db, await masterKey.wrap(randomBytes(32), WRAP_CONTEXT)));
    return createSecretKey(await masterKey.unwrap(wrapped, WRAP_CONTEXT));
  }

  return () => {
    searchKey ??= load().catch((error: unknown) => {
      searchKey = undefined;
      throw error;
    });
    return searchKey;
  };
}
