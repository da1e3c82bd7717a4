import { DependencyUnavailable } from '../errors.ts';

/** `askedAt`: by the clock given, when the statement was sent. */
export type BatchedLookup<Answer> = { answer: Answer; askedAt: number };

export type BatchedLookupOptions<Kind extends string, Answer> = {
  kinds: readonly Kind[];
  query: (asked: Readonly<Record<Kind, readonly string[]>>) => Promise<Answer>;
  /** An answer that comes later says nothing any more: what was revoked must be refused everywhere within a second. */
  timeoutMs: number;
  /** Recognises an outage among what `query` rejects with. Anything else is a fault of ours and passes as it is: to be logged, not retried. */
  isUnavailable: (error: unknown) => boolean;
  /** Milliseconds by the monotonic clock. */
  now?: () => number;
};

/** A slow database gets this many tries to answer within the time that an answer counts for. */
const TRIES = 3;

const within = async <T>(work: Promise<T>, ms: number): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

/**
 * Asks the database about single things, those of one turn of the event loop by one statement, which is sent after each of them was asked for.
 * Rejects with `dependency_unavailable` (503) when no answer came in time, and with the error of `query` when that was no outage: whatever went
 * wrong, nobody is let in on a guess.
 */
export const createBatchedLookup = <Kind extends string, Answer extends object>(
  options: BatchedLookupOptions<Kind, Answer>,
) => {
  const { kinds, query, timeoutMs, isUnavailable, now = () => performance.now() } = options;
  let gathering:
    | { asked: Record<Kind, Set<string>>; gathered: Promise<BatchedLookup<Answer> | undefined> }
    | undefined;

  const perKind = <T>(valueOf: (kind: Kind) => T): Record<Kind, T> =>
    Object.fromEntries(kinds.map((kind) => [kind, valueOf(kind)])) as Record<Kind, T>;

  const send = async (
    asked: Record<Kind, Set<string>>,
  ): Promise<BatchedLookup<Answer> | undefined> => {
    await new Promise((resolve) => setImmediate(resolve));
    gathering = undefined;
    const askedAt = now();
    try {
      const answer = await within(query(perKind((kind) => [...asked[kind]])), timeoutMs);
      // Looked at again: a process that was stopped meanwhile finds an answer that came in time and is old.
      return answer && now() - askedAt <= timeoutMs ? { answer, askedAt } : undefined;
    } catch (error) {
      throw isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;
    }
  };

  return async (kind: Kind, value: string): Promise<BatchedLookup<Answer>> => {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (!gathering) {
        const asked = perKind(() => new Set<string>());
        gathering = { asked, gathered: send(asked) };
      }
      gathering.asked[kind].add(value);
      const gathered = await gathering.gathered;
      if (gathered) return gathered;
    }
    throw new DependencyUnavailable({
      cause: new Error(`no answer within ${timeoutMs} ms, ${TRIES} times`),
    });
  };
};
