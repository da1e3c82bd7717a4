import { type QueryExecutorProvider, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { dependencyUnavailable } from './errors.ts';
import { isRole, type Role } from './permissions.ts';

/** A row of the view `shared.live_sessions`: not revoked, not expired, its user active. What is absent is dead. */
export type LiveSessionRow = { session_id: string; user_id: string; role: string; status: string };

export type SessionState = { live: false } | { live: true; userId: string; role: Role; status: string };

export type SessionLookupOptions = {
  query: (sessionIds: readonly string[]) => Promise<readonly LiveSessionRow[]>;
  /** How long a look-up counts; 0 to 1000 ms, since a revoked session must be refused everywhere within a second. */
  cacheMs?: number;
  /** Sessions remembered at most. */
  cacheSize?: number;
  /** A database that has not answered by then counts as down. */
  timeoutMs?: number;
  /** Recognises an outage among what `query` rejects with. Anything else is a fault of ours and passes as it is: to be logged, not retried. */
  isUnavailable?: (error: unknown) => boolean;
};

export type SessionLookup = ReturnType<typeof createSessionLookup>;

/** Looks sessions up in `shared.live_sessions`, for a look-up's `query`. */
export const queryLiveSessions =
  (db: QueryExecutorProvider) =>
  async (sessionIds: readonly string[]): Promise<readonly LiveSessionRow[]> => {
    const { rows } = await sql<LiveSessionRow>`
      select session_id, user_id, role, status from shared.live_sessions
      where session_id = any(${sessionIds}::uuid[])`.execute(db);
    return rows;
  };

type Batch = {
  ids: Set<string>;
  /** Ids ended by this replica while the statement ran: its answer may be older than that and is not remembered. */
  dropped: Set<string>;
  states: Promise<ReadonlyMap<string, SessionState>>;
};

const dead: SessionState = { live: false };

const stateOf = (row: LiveSessionRow): SessionState =>
  // A role that this version does not know may do nothing.
  isRole(row.role) ? { live: true, userId: row.user_id, role: row.role, status: row.status } : dead;

const withTimeout = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(dependencyUnavailable({ cause: new Error(`no answer within ${ms} ms`) })), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

/**
 * Whether sessions still live. Look-ups of one turn of the event loop go out as one statement, and answers are kept for at
 * most `cacheMs`, counted from when the statement was sent, not from when it answered: a slow answer is no fresher.
 */
export const createSessionLookup = (options: SessionLookupOptions) => {
  const { query, cacheMs = 500, cacheSize = 20_000, timeoutMs = 3_000, isUnavailable = () => false } = options;
  if (!(cacheMs >= 0 && cacheMs <= 1_000)) throw new RangeError('a session look-up may be cached for 0 to 1000 ms');
  const cache = new LRUCache<string, { state: SessionState; until: number }>({ max: cacheSize });
  /** Statements that were sent, by each id they ask for; the newest counts. */
  const sent = new Map<string, Batch>();
  /** All that have not answered: an older one may still do so after a newer, and must know what was dropped. */
  const open = new Set<Batch>();
  let gathering: Batch | undefined;

  const send = async (batch: Batch): Promise<ReadonlyMap<string, SessionState>> => {
    await new Promise((resolve) => setImmediate(resolve));
    gathering = undefined;
    for (const id of batch.ids) sent.set(id, batch);
    open.add(batch);
    const until = performance.now() + cacheMs;
    try {
      const rows = await withTimeout(query([...batch.ids]), timeoutMs);
      const states = new Map(rows.map((row) => [row.session_id, stateOf(row)]));
      for (const id of batch.ids) {
        // Of two statements that overlapped, the one sent later counts, whichever answers last.
        const newer = (cache.peek(id)?.until ?? 0) > until;
        if (!newer && !batch.dropped.has(id)) cache.set(id, { state: states.get(id) ?? dead, until });
      }
      return states;
    } catch (error) {
      // Whatever went wrong, nobody is let in on a guess.
      throw isUnavailable(error) ? dependencyUnavailable({ cause: error }) : error;
    } finally {
      open.delete(batch);
      for (const id of batch.ids) if (sent.get(id) === batch) sent.delete(id);
    }
  };

  const gather = (): Batch => {
    if (gathering) return gathering;
    const batch: Batch = { ids: new Set(), dropped: new Set(), states: Promise.resolve(new Map()) };
    gathering = batch;
    batch.states = send(batch);
    return batch;
  };

  return {
    /**
     * `fresh` asks the database with a statement sent after this call: for what changes something, so that a revoked session
     * changes nothing any more. Rejects with `dependency_unavailable` (503) when the database does not answer, and with the
     * error of `query` when it did.
     */
    async isLive(sessionId: string, { fresh = false }: { fresh?: boolean } = {}): Promise<SessionState> {
      let batch: Batch | undefined;
      if (!fresh) {
        const known = cache.get(sessionId);
        if (known && performance.now() < known.until) return known.state;
        batch = sent.get(sessionId);
      }
      if (!batch) {
        batch = gather();
        batch.ids.add(sessionId);
      }
      return (await batch.states).get(sessionId) ?? dead;
    },

    /** Forgets a session that this replica has just ended, after the commit. Other replicas notice within `cacheMs`. */
    drop(sessionId: string): void {
      cache.delete(sessionId);
      for (const batch of open) if (batch.ids.has(sessionId)) batch.dropped.add(sessionId);
      sent.delete(sessionId);
    },

    /** For tests and metrics. */
    cached: () => cache.size,
  };
};
