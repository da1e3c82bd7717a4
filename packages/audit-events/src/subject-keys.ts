import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { MasterKey } from '@muniment/master-key';
import { addressKey, addressSubject, type SubjectKey } from './personal.ts';

/** A key lives in a process no longer than this after its erasure, even if the process misses the notice. */
const CACHE_TTL_MS = 60_000;
const CACHE_MAX = 10_000;

/** Who an event's personal values belong to. */
export type Subject = { userId: string } | { address: string };

export interface SubjectKeys {
  /** The key to encrypt under, made on first use; undefined for an erased subject, which never gets another. */
  forSubject<DB>(db: Kysely<DB>, subject: Subject): Promise<SubjectKey | undefined>;
  /** The keys that still exist among `blocks`, by `subject`. Needs the audit service's role. */
  forBlocks<DB>(db: Kysely<DB>, blocks: readonly { key_id: string; subject: string }[]): Promise<Map<string, SubjectKey>>;
  /** Forgets an erased subject's key at once. */
  drop(subject: string): void;
}

interface StoredKey {
  key_id: string;
  wrapped: Buffer;
}

/** A block may name any key: only an address's key follows from its day's, and nobody's follows from another's. */
function keyOfBlock(base: SubjectKey, subject: string): SubjectKey | undefined {
  if (base.subject === subject) return base;
  return base.subject.startsWith('day:') && subject.startsWith('address:') ? addressKey(subject, base) : undefined;
}

/** Subject keys, unwrapped by the master key and kept in memory for a minute at most, 10,000 at most. */
export function createSubjectKeys(masterKey: MasterKey): SubjectKeys {
  const bySubject = new LRUCache<string, SubjectKey>({ max: CACHE_MAX, ttl: CACHE_TTL_MS });
  // Counts the drops: a key that was read before an erasure must not be put back after it.
  let drops = 0;

  function remember(key: SubjectKey, dropsBefore: number): void {
    if (drops === dropsBefore) bySubject.set(key.subject, key);
  }

  async function unwrap(subject: string, stored: StoredKey): Promise<SubjectKey> {
    return { keyId: stored.key_id, subject, secret: createSecretKey(await masterKey.unwrap(stored.wrapped, `subject:${subject}`)) };
  }

  async function stored<DB>(db: Kysely<DB>, subject: string): Promise<SubjectKey | undefined> {
    const cached = bySubject.get(subject);
    if (cached) return cached;
    const dropsBefore = drops;
    const found = await sql<{ key_id: string | null; wrapped: Buffer | null; erased: boolean; uncommitted: boolean }>`
      select key_id, wrapped, erased, uncommitted from keys.find_subject_key(${subject})`.execute(db);
    const row = found.rows[0];
    if (row?.erased) return undefined;
    if (row?.key_id && row.wrapped) {
      const key = await unwrap(subject, { key_id: row.key_id, wrapped: row.wrapped });
      // A key made in this very transaction goes with it when it rolls back.
      if (!row.uncommitted) remember(key, dropsBefore);
      return key;
    }
    const wrapped = await masterKey.wrap(randomBytes(32), `subject:${subject}`);
    const created = await sql<StoredKey>`
      select key_id, wrapped from keys.create_subject_key(${subject}, ${randomUUID()}, ${wrapped})`.execute(db);
    // Not cached: this transaction may yet roll back and take the key with it. The next event finds it stored.
    return created.rows[0] && unwrap(subject, created.rows[0]);
  }

  return {
    async forSubject(db, subject) {
      if ('userId' in subject) return stored(db, subject.userId);
      const dayKey = await stored(db, `day:${new Date().toISOString().slice(0, 10)}`);
      return dayKey && addressKey(addressSubject(subject.address, dayKey), dayKey);
    },

    async forBlocks(db, blocks) {
      const dropsBefore = drops;
      const keys = new Map<string, SubjectKey>();
      const missing = new Set<string>();
      for (const { key_id, subject } of blocks) {
        const cached = bySubject.get(subject);
        if (cached?.keyId === key_id) keys.set(subject, cached);
        else missing.add(key_id);
      }
      if (missing.size === 0) return keys;
      const { rows } = await sql<StoredKey & { subject: string }>`
        select key_id, subject, wrapped from keys.find_keys(${[...missing]}::uuid[])`.execute(db);
      const byId = new Map(await Promise.all(rows.map(async (row) => [row.key_id, await unwrap(row.subject, row)] as const)));
      for (const { key_id, subject } of blocks) {
        const base = byId.get(key_id);
        const key = base && keyOfBlock(base, subject);
        if (!key || keys.has(subject)) continue;
        keys.set(subject, key);
        remember(key, dropsBefore);
      }
      return keys;
    },

    drop(subject) {
      drops += 1;
      bySubject.delete(subject);
    },
  };
}
