import { isDatabaseUnavailable } from './database.ts';

export interface GatherOptions<Item, Answer> {
  /** Sends one statement for all items, and gives the answer to each in their order. */
  send(items: readonly Item[]): Promise<readonly Answer[]>;
  /** Statements under way at once. */
  concurrency: number;
  /** Most items in one statement. */
  maxItems?: number;
}

interface Waiting<Item, Answer> {
  item: Item;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/**
 * Gathers what is asked while statements are under way into the next one, like a group commit.
 * When little is asked nothing waits. A statement leaves after its last item was asked, so each
 * answer is newer than its question. After a fault that is no outage each item is sent alone, so
 * that one cannot fail the others: `send` must change nothing when it fails.
 */
export function createGather<Item, Answer>({
  send,
  concurrency,
  maxItems = 500,
}: GatherOptions<Item, Answer>): (item: Item) => Promise<Answer> {
  const waiting: Waiting<Item, Answer>[] = [];
  let underWay = 0;

  async function answerAll(asked: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await send(asked.map(({ item }) => item));
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (asked.length > 1 && !isDatabaseUnavailable(error))
        for (const one of asked) await answerAll([one]);
      else for (const { reject } of asked) reject(error);
    }
  }

  async function run(): Promise<void> {
    underWay += 1;
    // At the end of this turn, since its other requests may ask as well.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) await answerAll(waiting.splice(0, maxItems));
    underWay -= 1;
  }

  return (item) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    waiting.push({ item, resolve, reject });
    if (underWay < concurrency) void run();
    return promise;
  };
}
