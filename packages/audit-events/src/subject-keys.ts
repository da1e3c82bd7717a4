import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { MasterKey } from '@muniment/master-key';
import { UNNAMED, addressKey, addressSubject, type SubjectKey } from './personal.ts';

/** The longest that a process keeps an erased subject's key when it misses the notice. */
const CACHE_TTL_MS = 60_000;
const CACHE_MAX = 10_000;

/** The owner of an event's personal values. */
export type Subject = { userId: string } | { address: string };

const today = (): string => `day:${new Date().toISOString().slice(0, 10)}`;

export interface SubjectKeys {
  /**
   * The key to encrypt under, created on first use. An erased subject never gets another:
   * undefined.
   */
  forSubject<DB>(db: Kysely<DB>, subject: Subject): Promise<SubjectKey | undefined>;
  /** A key for values of unknown owners. It ends with the key of today, after 30 days. */
  forUnnamed<DB>(db: Kysely<DB>): Promise<SubjectKey>;
  /**
   * The keys of subjects by name, created on first use, in at most two statements. Erased subjects
   * have none.
   */
  forNames<DB>(db: Kysely<DB>, names: readonly string[]): Promise<Map<string, SubjectKey>>;
  /** The existing keys among those of `blocks`. Needs the audit service's role. */
  forBlocks<DB>(db: Kysely<DB>, blocks: readonly BlockKeyRef[]): Promise<BlockKeys>;
  /** Drops an erased subject's keys from memory at once. */
  drop(subject: string): void;
}

/** Names the key of a personal block. After a rotation a subject has blocks under several keys. */
export interface BlockKeyRef {
  key_id: string;
  subject: string;
}

/** Keys of personal blocks. */
export interface BlockKeys {
  /** undefined when the key is destroyed. */
  of(block: BlockKeyRef): SubjectKey | undefined;
}

interface StoredKey {
  key_id: string;
  wrapped: Buffer;
}

interface FoundKey {
  key_id: string | null;
  wrapped: Buffer | null;
  erased: boolean;
  uncommitted: boolean;
}

/** The key of a block, which may name any key: only an address's key derives from its day's key. */
function keyOfBlock(base: SubjectKey, subject: string): SubjectKey | undefined {
  if (base.subject === subject) return base;
  return base.subject.startsWith('day:') && (subject.startsWith('address:') || subject === UNNAMED)
    ? addressKey(subject, base)
    : undefined;
}

const blockId = ({ key_id, subject }: BlockKeyRef): string => `${key_id} ${subject}`;

/**
 * Subject keys, unwrapped by the master key. At most 10,000 subjects stay in memory, for at most a
 * minute.
 */
export function createSubjectKeys(masterKey: MasterKey): SubjectKeys {
  /** The key that new blocks are sealed under. */
  const current = new LRUCache<string, SubjectKey>({ max: CACHE_MAX, ttl: CACHE_TTL_MS });
  /** The keys that stored blocks name, by subject, so that an erasure finds them all. */
  const named = new LRUCache<string, ReadonlyMap<string, SubjectKey>>({
    max: CACHE_MAX,
    ttl: CACHE_TTL_MS,
  });
  // Counts erasures: a key that was read before one must not be cached after it.
  let drops = 0;

  async function unwrap(subject: string, stored: StoredKey): Promise<SubjectKey> {
    return {
      keyId: stored.key_id,
      subject,
      secret: createSecretKey(await masterKey.unwrap(stored.wrapped, `subject:${subject}`)),
    };
  }

  async function stored<DB>(db: Kysely<DB>, subject: string): Promise<SubjectKey | undefined> {
    const cached = current.get(subject);
    if (cached) return cached;
    const dropsBefore = drops;
    const found = await sql<FoundKey>`
      select key_id, wrapped, erased, uncommitted from keys.find_subject_key(${subject})`.execute(
      db,
    );
    const row = found.rows[0];
    if (row?.erased) return undefined;
    if (row?.key_id && row.wrapped) {
      const key = await unwrap(subject, { key_id: row.key_id, wrapped: row.wrapped });
      // A key made in this transaction disappears when it rolls back.
      if (!row.uncommitted && drops === dropsBefore) current.set(subject, key);
      return key;
    }
    const wrapped = await masterKey.wrap(randomBytes(32), `subject:${subject}`);
    const created = await sql<StoredKey>`
      select key_id, wrapped from keys.create_subject_key(${subject}, ${randomUUID()}, ${wrapped})`.execute(
      db,
    );
    // Not cached: this transaction may roll back and remove the key. The next event finds it
    // stored.
    return created.rows[0] && unwrap(subject, created.rows[0]);
  }

  return {
    async forSubject(db, subject) {
      if ('userId' in subject) return stored(db, subject.userId);
      const dayKey = await stored(db, today());
      return dayKey && addressKey(addressSubject(subject.address, dayKey), dayKey);
    },

    async forUnnamed(db) {
      const dayKey = await stored(db, today());
      // Only old keys of days are destroyed, never today's.
      if (!dayKey) throw new Error('there is no key of today');
      return addressKey(UNNAMED, dayKey);
    },

    async forNames(db, names) {
      const dropsBefore = drops;
      const keys = new Map<string, SubjectKey>();
      // Sorted: two transactions that create the same keys must not deadlock.
      const missing = [...new Set(names)].sort().filter((name) => {
        const cached = current.get(name);
        if (cached) keys.set(name, cached);
        return !cached;
      });
      if (missing.length === 0) return keys;
      const { rows } = await sql<FoundKey & { subject: string }>`
        select w.subject, k.key_id, k.wrapped, k.erased, k.uncommitted
        from unnest(${missing}::text[]) w(subject) cross join lateral keys.find_subject_key(w.subject) k`.execute(
        db,
      );
      const unmade: { subject: string; key_id: string; wrapped: Buffer }[] = [];
      for (const { subject, key_id, wrapped, erased, uncommitted } of rows) {
        if (erased) continue;
        if (key_id === null || wrapped === null) {
          unmade.push({
            subject,
            key_id: randomUUID(),
            wrapped: await masterKey.wrap(randomBytes(32), `subject:${subject}`),
          });
          continue;
        }
        const key = await unwrap(subject, { key_id, wrapped });
        keys.set(subject, key);
        if (!uncommitted && drops === dropsBefore) current.set(subject, key);
      }
      if (unmade.length === 0) return keys;
      const made = await sql<StoredKey & { subject: string }>`
        select w.subject, k.key_id, k.wrapped
        from unnest(${unmade.map(({ subject }) => subject)}::text[], ${unmade.map(({ key_id }) => key_id)}::uuid[], ${unmade.map(({ wrapped }) => wrapped)}::bytea[])
          w(subject, key_id, wrapped)
        cross join lateral keys.create_subject_key(w.subject, w.key_id, w.wrapped) k`.execute(db);
      for (const { subject, ...key } of made.rows) keys.set(subject, await unwrap(subject, key));
      return keys;
    },

    async forBlocks(db, blocks) {
      const dropsBefore = drops;
      const keys = new Map<string, SubjectKey>();
      const missing = new Set<string>();
      for (const block of blocks) {
        const cached = named.get(block.subject)?.get(block.key_id);
        if (cached) keys.set(blockId(block), cached);
        else missing.add(block.key_id);
      }
      const found: BlockKeys = { of: (block) => keys.get(blockId(block)) };
      if (missing.size === 0) return found;
      const { rows } = await sql<StoredKey & { subject: string }>`
        select key_id, subject, wrapped from keys.find_keys(${[...missing]}::uuid[])`.execute(db);
      const byId = new Map(
        await Promise.all(
          rows.map(async (row) => [row.key_id, await unwrap(row.subject, row)] as const),
        ),
      );
      for (const block of blocks) {
        const { key_id, subject } = block;
        const base = keys.has(blockId(block)) ? undefined : byId.get(key_id);
        const key = base && keyOfBlock(base, subject);
        if (!key) continue;
        keys.set(blockId(block), key);
        if (drops === dropsBefore)
          named.set(subject, new Map([...(named.get(subject) ?? []), [key_id, key]]));
      }
      return found;
    },

    drop(subject) {
      drops += 1;
      current.delete(subject);
      named.delete(subject);
    },
  };
}
