import { LRUCache } from 'lru-cache';
import type { SubjectKey } from './personal.ts';

/** The longest that a process keeps an erased subject's key when it misses the notice. */
const CACHE_TTL_MS = 60_000;
const CACHE_MAX = 10_000;

/** Names the key of a personal block. After a rotation a subject has blocks under several keys. */
export interface BlockKeyRef {
  key_id: string;
  subject: string;
}

/** Unwrapped keys in memory. */
export interface SubjectKeyCache {
  /** The key that new blocks of a subject are encrypted under. */
  findCurrent(subject: string): SubjectKey | undefined;
  /** The key that a stored block names. */
  findNamed(block: BlockKeyRef): SubjectKey | undefined;
  /** Open it before keys are read: keys saved through it after an erasure are not cached. */
  openWriter(): SubjectKeyCacheWriter;
  /** Whether a look-up was imitated within the time for which a found key stays. */
  isImitated(name: string): boolean;
  saveImitated(name: string): void;
  /** Drops an erased subject's keys at once. */
  drop(subject: string): void;
  /** Drops all keys at once. */
  clear(): void;
  /** For how long nobody has asked for a key, in milliseconds. */
  unusedMs(): number;
  /** Calls `listener` whenever a key is asked for, before it is read. */
  onUse(listener: () => void): void;
}

export interface SubjectKeyCacheWriter {
  saveCurrent(key: SubjectKey): void;
  saveNamed(block: BlockKeyRef, key: SubjectKey): void;
}

export function createSubjectKeyCache(): SubjectKeyCache {
  const limits = { max: CACHE_MAX, ttl: CACHE_TTL_MS };
  const current = new LRUCache<string, SubjectKey>(limits);
  // By subject, so that an erasure finds them all.
  const named = new LRUCache<string, ReadonlyMap<string, SubjectKey>>(limits);
  const imitated = new LRUCache<string, true>(limits);
  const listeners: (() => void)[] = [];
  let erasures = 0;
  let usedAt = performance.now();

  function noticeUse(): void {
    usedAt = performance.now();
    for (const listener of listeners) listener();
  }

  function openWriter(): SubjectKeyCacheWriter {
    noticeUse();
    const erasuresBefore = erasures;
    return {
      saveCurrent(key) {
        if (erasures === erasuresBefore) current.set(key.subject, key);
      },
      saveNamed({ key_id, subject }, key) {
        if (erasures === erasuresBefore)
          named.set(subject, new Map([...(named.get(subject) ?? []), [key_id, key]]));
      },
    };
  }

  return {
    findCurrent(subject) {
      noticeUse();
      return current.get(subject);
    },
    findNamed({ key_id, subject }) {
      noticeUse();
      return named.get(subject)?.get(key_id);
    },
    openWriter,
    isImitated: (name) => imitated.has(name),
    saveImitated: (name) => void imitated.set(name, true),
    drop(subject) {
      erasures += 1;
      current.delete(subject);
      named.delete(subject);
    },
    clear() {
      erasures += 1;
      current.clear();
      named.clear();
    },
    unusedMs: () => performance.now() - usedAt,
    onUse: (listener) => void listeners.push(listener),
  };
}
