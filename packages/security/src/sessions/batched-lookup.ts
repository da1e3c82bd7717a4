import { createTurnBatch } from '../concurrency/turn-batch.ts';
import { withTimeout } from '../concurrency/with-timeout.ts';
import { DependencyUnavailable } from '../errors.ts';

export interface BatchedLookup<Answer> {
  answer: Answer;
  /** When the statement was sent, by the given clock. */
  askedAt: number;
}

export interface BatchedLookupOptions<Kind extends string, Answer> {
  kinds: readonly Kind[];
  query: (asked: Readonly<Record<Kind, readonly string[]>>) => Promise<Answer>;
  /**
   * A revoked credential must be refused everywhere within a second, so later answers are useless.
   */
  timeoutMs: number;
  /** Recognises an outage. Any other error is a bug and passes unchanged. */
  isUnavailable: (error: unknown) => boolean;
  /** Milliseconds by the monotonic clock. */
  now?: () => number;
}

const MAX_ATTEMPTS = 3;

/**
 * Creates a look-up that asks once for all ids of one turn of the event loop.
 * @throws DependencyUnavailable without an answer in time, or an error of `query` that is no outage
 */
export function createBatchedLookup<Kind extends string, Answer extends object>(
  options: BatchedLookupOptions<Kind, Answer>,
) {
  const { kinds, query, timeoutMs, isUnavailable, now = () => performance.now() } = options;

  const perKind = <T>(valueOf: (kind: Kind) => T): Record<Kind, T> =>
    Object.fromEntries(kinds.map((kind) => [kind, valueOf(kind)])) as Record<Kind, T>;

  async function send(
    asked: Record<Kind, Set<string>>,
  ): Promise<BatchedLookup<Answer> | undefined> {
    const askedAt = now();
    try {
      const answer = await withTimeout(
        query(perKind((kind) => [...asked[kind]])),
        timeoutMs,
        () => undefined,
      );
      // Checked again: after a pause of the process an old answer may precede its timer.
      return answer && now() - askedAt <= timeoutMs ? { answer, askedAt } : undefined;
    } catch (error) {
      throw isUnavailable(error) ? new DependencyUnavailable({ cause: error }) : error;
    }
  }

  const ask = createTurnBatch({ create: () => perKind(() => new Set<string>()), send });

  return async (kind: Kind, value: string): Promise<BatchedLookup<Answer>> => {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const answered = await ask((asked) => asked[kind].add(value));
      if (answered) return answered;
    }
    throw new DependencyUnavailable({
      cause: new Error(
        `The database gave no answer within ${timeoutMs} ms, ${MAX_ATTEMPTS} times.`,
      ),
    });
  };
}
