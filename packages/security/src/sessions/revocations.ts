/**
 * What can be revoked. A `user` is not dead by it: what was known of them before no longer counts,
 * and the database has to be asked.
 */
export const REVOCATION_KINDS = ['session', 'user', 'key', 'api_token'] as const;
export type RevocationKind = (typeof REVOCATION_KINDS)[number];

/** `expiresAt` in seconds since 1970: when the last token that it is about has expired. */
export type Revocation = { kind: RevocationKind; id: string; expiresAt: number };

/** A moment by both clocks, in milliseconds. */
export type Instant = { monotonic: number; wall: number };

export type RevocationsOptions = {
  /**
   * How old the last proof may be. 750 ms leaves the promised second a quarter for what follows.
   */
  staleAfterMs?: number;
  /**
   * Entries held at most; past that the set counts as stale, so that memory is bounded and the
   * database decides.
   */
  maxEntries?: number;
  now?: () => Instant;
};

export type Revocations = ReturnType<typeof createRevocations>;

const SWEEP_STEP = 2_000;

const isKind = (value: unknown): value is RevocationKind =>
  REVOCATION_KINDS.some((kind) => kind === value);

/**
 * A revocation as rows and notifications have it; undefined for a kind that this version does not
 * know.
 */
export const toRevocation = (
  kind: unknown,
  id: unknown,
  expiresAt: unknown,
): Revocation | undefined => {
  const until = Number(expiresAt);
  // Copied: a part of a longer text would keep the whole of it in memory.
  return isKind(kind) && typeof id === 'string' && Number.isSafeInteger(until)
    ? { kind, id: Buffer.from(id).toString(), expiresAt: until }
    : undefined;
};

/**
 * What was revoked, in memory, and up to when that is known to be all. Whoever fills it says at
 * which moment a question was sent whose answer holds
 * everything that had been committed by then; 750 ms later the set is stale, and nobody may be let
 * in on its word. About 110 bytes an entry.
 */
export const createRevocations = (options: RevocationsOptions = {}) => {
  const {
    staleAfterMs = 750,
    maxEntries = 1_000_000,
    now = () => ({ monotonic: performance.now(), wall: Date.now() }),
  } = options;
  const entries: Record<RevocationKind, Map<string, number>> = {
    session: new Map(),
    user: new Map(),
    key: new Map(),
    api_token: new Map(),
  };
  const usersChangedAt = new Map<string, number>();
  const listeners = new Set<(revocation: Revocation) => void>();
  let proof: Instant | undefined;
  let sweeping = [].values() as IterableIterator<[RevocationKind, string, number]>;

  const size = (kind?: RevocationKind): number =>
    kind ? entries[kind].size : REVOCATION_KINDS.reduce((sum, each) => sum + entries[each].size, 0);

  function* everything(): Generator<[RevocationKind, string, number], undefined> {
    for (const kind of REVOCATION_KINDS)
      for (const [id, expiresAt] of entries[kind]) yield [kind, id, expiresAt];
  }

  const ageMs = (): number => {
    if (!proof) return Infinity;
    const { monotonic, wall } = now();
    // The monotonic clock stands still while the machine sleeps, the other one can be set back:
    // what either says has passed, has passed.
    return Math.max(monotonic - proof.monotonic, wall - proof.wall);
  };

  return {
    now,

    /** @returns whether it was news */
    add(revocation: Revocation): boolean {
      const { kind, id, expiresAt } = revocation;
      const known = entries[kind].get(id) ?? 0;
      if (expiresAt > known) entries[kind].set(id, expiresAt);
      // Each time: it may be another change of the same user, and asking once too often costs
      // little.
      if (kind === 'user') usersChangedAt.set(id, now().monotonic);
      for (const listener of listeners) listener(revocation);
      return expiresAt > known;
    },

    /**
     * Called with each revocation from now on, also one that is known already. @returns what ends
     * that
     */
    onAdd(listener: (revocation: Revocation) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    isSessionRevoked: (id: string): boolean => entries.session.has(id),
    isKeyRevoked: (kid: string): boolean => entries.key.has(kid),
    isApiTokenRevoked: (id: string): boolean => entries.api_token.has(id),

    /**
     * When this replica learned of the last change of a user, by the monotonic clock; undefined
     * when none counts. An answer of the database about
     * the user holds if it was asked for after that.
     */
    userChangedAt: (id: string): number | undefined => usersChangedAt.get(id),

    /** Everything that had been committed at that moment is in the set. */
    confirmComplete(at: Instant): void {
      proof = at;
    },

    /**
     * Lets go of everything, and of the proof with it: nothing is believed until all has been read
     * again.
     */
    clear(): void {
      proof = undefined;
      for (const kind of REVOCATION_KINDS) entries[kind].clear();
      usersChangedAt.clear();
    },

    ageMs,

    /**
     * Whether the set may be believed now. Judged by the clocks at this moment, not by a timer:
     * after a pause of the process a request may come first.
     */
    isFresh: (): boolean => ageMs() <= staleAfterMs && size() <= maxEntries,

    /**
     * Lets go of what no longer counts, some two thousand entries further at each call, so that no
     * call stops the process for long.
     * @param seconds the time, since 1970
     */
    sweep(seconds: number): void {
      for (let looked = 0; looked < SWEEP_STEP; looked++) {
        const next = sweeping.next();
        if (next.done) {
          sweeping = everything();
          return;
        }
        const [kind, id, expiresAt] = next.value;
        if (expiresAt > seconds) continue;
        entries[kind].delete(id);
        if (kind === 'user') usersChangedAt.delete(id);
      }
    },

    /** For metrics and the limit on what is read. */
    size,
    maxEntries,
  };
};
