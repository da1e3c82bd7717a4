import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { MasterKey } from '@muniment/master-key';
import type { Tables } from '../tables.ts';
import { findSignerKey, saveSignerKey } from './foreign-hash-queries.ts';

const contextOf = (id: string): string => `signer-key:${id}`;

/**
 * Stores a signer key of Firebase, wrapped.
 * @returns its id: the same key is stored once, however often it is imported
 */
export async function storeSignerKey(
  db: Kysely<Tables>,
  masterKey: MasterKey,
  signerKey: Buffer,
): Promise<string> {
  // The key has 64 random bytes, so its hash reveals nothing.
  const id = createHash('sha256').update('signer-key').update(signerKey).digest('hex').slice(0, 32);
  await saveSignerKey(db, { id, wrappedKey: await masterKey.wrap(signerKey, contextOf(id)) });
  return id;
}

/** Reads signer keys for checks of passwords; the last few stay unwrapped in memory. */
export function createSignerKeyReader(
  db: Kysely<Tables>,
  masterKey: MasterKey,
): (id: string) => Promise<Buffer> {
  const cache = new LRUCache<string, Buffer>({ max: 16, ttl: 60_000 });
  return async (id) => {
    const cached = cache.get(id);
    if (cached) return cached;
    const row = await findSignerKey(db, id);
    if (!row) throw new Error(`The signer key ${id} is gone.`);
    const key = await masterKey.unwrap(row.wrapped_key, contextOf(id));
    cache.set(id, key);
    return key;
  };
}
