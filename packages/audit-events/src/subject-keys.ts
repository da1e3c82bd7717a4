import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { MasterKey } from '@muniment/master-key';
import { UNNAMED, addressKey, addressSubject, type SubjectKey } from './personal.ts';
import {
  createSubjectKeyCache,
  type BlockKeyRef,
  type SubjectKeyCache,
} from './subject-key-cache.ts';
import {
  createSubjectKeyRows,
  findKeysById,
  findSubjectKeys,
  type StoredKey,
} from './subject-key-queries.ts';

export type { BlockKeyRef } from './subject-key-cache.ts';

/** The owner of an event's personal values. */
export type Subject = { userId: string } | { address: string };

const today = (): string => `day:${new Date().toISOString().slice(0, 10)}`;

export interface SubjectKeys extends Pick<
  SubjectKeyCache,
  'drop' | 'clear' | 'unusedMs' | 'onUse'
> {
  /** The key to encrypt under, created on first use; undefined for an erased subject. */
  forSubject<DB>(db: Kysely<DB>, subject: Subject): Promise<SubjectKey | undefined>;
  /**
   * Costs what finding the stored key of a subject costs, and has no other effect. For names that
   * may be nobody's, so that time does not tell.
   */
  imitate<DB>(db: Kysely<DB>, name: string): Promise<void>;
  /** A key for values of unknown owners. It ends with the key of today, after 30 days. */
  forUnnamed<DB>(db: Kysely<DB>): Promise<SubjectKey>;
  /** The keys of subjects by name, created on first use in two statements. The erased have none. */
  forNames<DB>(db: Kysely<DB>, names: readonly string[]): Promise<Map<string, SubjectKey>>;
  /** The existing keys among those of `blocks`. Needs the audit service's role. */
  forBlocks<DB>(db: Kysely<DB>, blocks: readonly BlockKeyRef[]): Promise<BlockKeys>;
}

/** Keys of personal blocks. */
export interface BlockKeys {
  /** undefined when the key is destroyed. */
  of(block: BlockKeyRef): SubjectKey | undefined;
}

/** What finds and creates keys. */
interface KeyStore {
  masterKey: MasterKey;
  cache: SubjectKeyCache;
}

async function unwrap(
  masterKey: MasterKey,
  { key_id, subject, wrapped }: StoredKey,
): Promise<SubjectKey> {
  const secret = await masterKey.unwrap(wrapped, `subject:${subject}`);
  return { keyId: key_id, subject, secret: createSecretKey(secret) };
}

async function generateKey(masterKey: MasterKey, subject: string): Promise<StoredKey> {
  const wrapped = await masterKey.wrap(randomBytes(32), `subject:${subject}`);
  return { subject, key_id: randomUUID(), wrapped };
}

async function findOrCreateKeys<DB>(
  { masterKey, cache }: KeyStore,
  db: Kysely<DB>,
  names: readonly string[],
): Promise<Map<string, SubjectKey>> {
  const keys = new Map<string, SubjectKey>();
  // Sorted: two transactions that create the same keys must not deadlock.
  const missing = [...new Set(names)].sort().filter((name) => {
    const cached = cache.findCurrent(name);
    if (cached) keys.set(name, cached);
    return !cached;
  });
  if (missing.length === 0) return keys;
  const writer = cache.openWriter();
  const generated: StoredKey[] = [];
  for (const { subject, key_id, wrapped, ...row } of await findSubjectKeys(db, missing)) {
    if (row.erased) continue;
    if (key_id === null || wrapped === null) {
      generated.push(await generateKey(masterKey, subject));
      continue;
    }
    const key = await unwrap(masterKey, { subject, key_id, wrapped });
    keys.set(subject, key);
    // A key made in this transaction disappears when it rolls back.
    if (!row.uncommitted) writer.saveCurrent(key);
  }
  if (generated.length === 0) return keys;
  // Not cached: this transaction may roll back and remove them. The next event finds them stored.
  for (const created of await createSubjectKeyRows(db, generated))
    keys.set(created.subject, await unwrap(masterKey, created));
  return keys;
}

/** The key of a block, which may name any key: only an address's key derives from its day's key. */
function keyOfBlock(base: SubjectKey, subject: string): SubjectKey | undefined {
  if (base.subject === subject) return base;
  return base.subject.startsWith('day:') && (subject.startsWith('address:') || subject === UNNAMED)
    ? addressKey(subject, base)
    : undefined;
}

const blockId = ({ key_id, subject }: BlockKeyRef): string => `${key_id} ${subject}`;

async function findBlockKeys<DB>(
  { masterKey, cache }: KeyStore,
  db: Kysely<DB>,
  blocks: readonly BlockKeyRef[],
): Promise<BlockKeys> {
  const keys = new Map<string, SubjectKey>();
  const missing = new Set<string>();
  for (const block of blocks) {
    const cached = cache.findNamed(block);
    if (cached) keys.set(blockId(block), cached);
    else missing.add(block.key_id);
  }
  const blockKeys: BlockKeys = { of: (block) => keys.get(blockId(block)) };
  if (missing.size === 0) return blockKeys;
  const writer = cache.openWriter();
  const rows = await findKeysById(db, [...missing]);
  const byId = new Map(
    await Promise.all(rows.map(async (row) => [row.key_id, await unwrap(masterKey, row)] as const)),
  );
  for (const block of blocks) {
    const base = keys.has(blockId(block)) ? undefined : byId.get(block.key_id);
    const key = base && keyOfBlock(base, block.subject);
    if (!key) continue;
    keys.set(blockId(block), key);
    writer.saveNamed(block, key);
  }
  return blockKeys;
}

/**
 * Subject keys, unwrapped by the master key. At most 10,000 stay in memory, for at most a minute.
 */
export function createSubjectKeys(masterKey: MasterKey): SubjectKeys {
  const cache = createSubjectKeyCache();
  const store = { masterKey, cache };

  async function findOrCreateKey<DB>(
    db: Kysely<DB>,
    name: string,
  ): Promise<SubjectKey | undefined> {
    return cache.findCurrent(name) ?? (await findOrCreateKeys(store, db, [name])).get(name);
  }

  return {
    async forSubject(db, subject) {
      if ('userId' in subject) return findOrCreateKey(db, subject.userId);
      const dayKey = await findOrCreateKey(db, today());
      return dayKey && addressKey(addressSubject(subject.address, dayKey), dayKey);
    },
    async imitate(db, name) {
      if (cache.isImitated(name)) return;
      await findSubjectKeys(db, [name]);
      await generateKey(masterKey, name);
      cache.saveImitated(name);
    },
    async forUnnamed(db) {
      const dayKey = await findOrCreateKey(db, today());
      // Only old keys of days are destroyed, never today's.
      if (!dayKey) throw new Error('There is no key of today.');
      return addressKey(UNNAMED, dayKey);
    },
    forNames: (db, names) => findOrCreateKeys(store, db, names),
    forBlocks: (db, blocks) => findBlockKeys(store, db, blocks),
    drop: cache.drop,
    clear: cache.clear,
    unusedMs: cache.unusedMs,
    onUse: cache.onUse,
  };
}
