import { createFreshness, type Instant } from './freshness.ts';

/** What can be revoked. A revoked `user` has changed, so the database must be asked. */
export const REVOCATION_KINDS = ['session', 'user', 'key', 'api_token'] as const;
export type RevocationKind = (typeof REVOCATION_KINDS)[number];

export interface Revocation {
  kind: RevocationKind;
  id: string;
  /** When the last token concerned has expired, in seconds since 1970. */
  expiresAt: number;
}

export interface RevocationsOptions {
  /** How long the set is fresh. 750 ms leave a quarter of the promised second. */
  staleAfterMs?: number;
  /** With more entries the set is stale: memory is bounded and the database decides. */
  maxEntries?: number;
  now?: () => Instant;
}

export type Revocations = ReturnType<typeof createRevocations>;

type Entry = [kind: RevocationKind, id: string, expiresAt: number];
type Entries = Record<RevocationKind, Map<string, number>>;

/** Entries checked by one sweep. */
const SWEEP_SIZE = 2_000;

const isKind = (value: unknown): value is RevocationKind =>
  REVOCATION_KINDS.some((kind) => kind === value);

/** Parses a row or notification; undefined for an unknown kind. */
export function toRevocation(
  kind: unknown,
  id: unknown,
  expiresAt: unknown,
): Revocation | undefined {
  const seconds = Number(expiresAt);
  if (!isKind(kind) || typeof id !== 'string' || !Number.isSafeInteger(seconds)) return undefined;
  // Copied: a slice would keep the whole notification in memory.
  return { kind, id: Buffer.from(id).toString(), expiresAt: seconds };
}

function* listEntries(entries: Entries): Generator<Entry, undefined> {
  for (const kind of REVOCATION_KINDS)
    for (const [id, expiresAt] of entries[kind]) yield [kind, id, expiresAt];
}

/** The entries of the set, and when each user last changed. */
function createEntries(now: () => Instant) {
  const entries: Entries = {
    session: new Map(),
    user: new Map(),
    key: new Map(),
    api_token: new Map(),
  };
  const usersChangedAt = new Map<string, number>();
  let sweeping = [].values() as IterableIterator<Entry>;
  return {
    entries,
    usersChangedAt,

    /** @returns whether it is new, or expires later than known */
    add({ kind, id, expiresAt }: Revocation): boolean {
      const known = entries[kind].get(id) ?? 0;
      if (expiresAt > known) entries[kind].set(id, expiresAt);
      // Set each time, because it may be another change; one extra query costs little.
      if (kind === 'user') usersChangedAt.set(id, now().monotonic);
      return expiresAt > known;
    },

    clear(): void {
      for (const kind of REVOCATION_KINDS) entries[kind].clear();
      usersChangedAt.clear();
    },

    size: (kind?: RevocationKind): number =>
      kind
        ? entries[kind].size
        : REVOCATION_KINDS.reduce((sum, each) => sum + entries[each].size, 0),

    /**
     * Deletes expired entries among the next 2,000, so that no call blocks for long.
     * @param seconds the time since 1970
     */
    sweep(seconds: number): void {
      for (let checked = 0; checked < SWEEP_SIZE; checked += 1) {
        const next = sweeping.next();
        if (next.done) {
          sweeping = listEntries(entries);
          return;
        }
        const [kind, id, expiresAt] = next.value;
        if (expiresAt > seconds) continue;
        entries[kind].delete(id);
        if (kind === 'user') usersChangedAt.delete(id);
      }
    },
  };
}

/**
 * Creates the set of revocations in memory, about 110 bytes an entry.
 * Unless its feed confirms completeness within 750 ms, the set is stale and admits nobody.
 */
export function createRevocations(options: RevocationsOptions = {}) {
  const {
    staleAfterMs = 750,
    maxEntries = 1_000_000,
    now = () => ({ monotonic: performance.now(), wall: Date.now() }),
  } = options;
  const { entries, usersChangedAt, add, clear, size, sweep } = createEntries(now);
  const listeners = new Set<(revocation: Revocation) => void>();
  const freshness = createFreshness(now, staleAfterMs);

  return {
    now,

    /** @returns whether it is new, or expires later than known */
    add(revocation: Revocation): boolean {
      const isNew = add(revocation);
      for (const listener of listeners) listener(revocation);
      return isNew;
    },

    /** Calls `listener` with each added revocation, known ones too. @returns how to stop */
    onAdd(listener: (revocation: Revocation) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    isSessionRevoked: (id: string): boolean => entries.session.has(id),
    isKeyRevoked: (kid: string): boolean => entries.key.has(kid),
    isApiTokenRevoked: (id: string): boolean => entries.api_token.has(id),

    /** When this replica learned of the user's last change, by the monotonic clock. */
    userChangedAt: (id: string): number | undefined => usersChangedAt.get(id),

    /** States that the set holds everything committed by this moment. */
    confirmComplete: freshness.confirm,

    /** Empties the set, which is stale until all revocations are read again. */
    clear(): void {
      freshness.forget();
      clear();
    },

    /** How long ago the set was last known to be complete. */
    ageMs: freshness.ageMs,

    /** Whether the set may be believed. Asking wakes its feed. */
    isFresh: (): boolean => freshness.isFresh() && size() <= maxEntries,
    unaskedMs: freshness.unaskedMs,
    untilAsked: freshness.untilAsked,

    sweep,

    /** For metrics and the limit on what is read. */
    size,
    maxEntries,
    staleAfterMs,
  };
}
