import type { Socket } from 'node:net';
import pg from 'pg';
import { BEGIN, BeginQuery } from './begin-query.ts';

/**
 * Begins a statement that is planned with its values each time. From the sixth run on PostgreSQL
 * may choose a plan for any values, which takes seconds where they decide what index is fast.
 */
export const PLANNED_WITH_VALUES = '/* planned with its values */';

/** More distinct texts stay unnamed: queries of varying shape must not fill the server's memory. */
const MAX_NAMED = 500;
const names = new Map<string, string>();
/** Part of each name, so that all statements can be prepared anew. */
let generation = 0;

function nameOf(text: string): string | undefined {
  if (text.startsWith(PLANNED_WITH_VALUES)) return undefined;
  const known = names.get(text);
  if (known !== undefined || names.size >= MAX_NAMED) return known;
  const name = `s${generation}_${names.size + 1}`;
  names.set(text, name);
  return name;
}

/**
 * Whether a migration has changed the columns of a prepared `select *` or `returning *`. PostgreSQL
 * would refuse it on this connection for ever. It refuses at Bind, before anything has run. Its
 * message may be translated; this function of PostgreSQL raises no other.
 */
export function isPlanOutdated(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false;
  return error.code === '0A000' && error.routine === 'RevalidateCachedQuery';
}

/**
 * Gives all texts other names: a transaction may use several that one migration changed, and runs
 * again few times. Once per change, however many connections meet it. Old ones stay prepared until
 * their connection ends, so each migration costs a connection 500 at most.
 */
function renameAll(text: string, outdated: string | undefined): void {
  if (outdated === undefined || names.get(text) !== outdated) return;
  generation += 1;
  names.clear();
}

/** As pg answers a statement that has no rows. */
const emptyResult = (command: string) => ({
  command,
  rowCount: null,
  rows: [],
  oid: 0,
  fields: [],
});

const namedStatement = (text: string, values: unknown[]): pg.QueryConfig => {
  const name = nameOf(text);
  return name === undefined ? { text, values } : { name, text, values };
};

/**
 * A pg client that prepares each parameterised statement once per connection. PostgreSQL then
 * parses and plans once: 14k → 29k simple reads/s on two cores. A transaction's BEGIN leaves with
 * its first statement.
 */
export class NamedStatementsClient extends pg.Client {
  /** Whether this connection has the prepared BEGIN. */
  #canBegin = false;
  /** Whether a BEGIN waits for its first statement. */
  #isBeginning = false;
  #isCorked = false;

  // The overloads of pg's `query` cannot be restated.
  override query = ((...args: unknown[]): unknown => {
    const [text, values] = args;
    if (text === 'begin') return this.#begin();
    const begins = this.#isBeginning;
    this.#isBeginning = false;
    // Nothing has been sent, so there is nothing to end.
    if (begins && (text === 'commit' || text === 'rollback'))
      return Promise.resolve(emptyResult(text.toUpperCase()));
    if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0)
      return begins ? this.#send(BEGIN).then(() => this.#send(...args)) : this.#send(...args);
    const statement = namedStatement(text, values);
    return !begins && args.length > 2
      ? this.#send(statement, ...args.slice(2))
      : this.#sendNamed(statement, { begins });
  }) as pg.Client['query'];

  /**
   * Repeats, once, a statement that was refused for its outdated plan. Within a transaction all of
   * it must run again, which is its caller's part.
   */
  #sendNamed(statement: pg.QueryConfig, { begins }: { begins: boolean }): Promise<unknown> {
    const { text, name, values = [] } = statement;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Called before later answers are read, so the status is the one that the statement met.
    const settle = (error: Error | null, result: unknown): void => {
      if (!error) return resolve(result);
      if (!isPlanOutdated(error)) return reject(error);
      renameAll(text, name);
      if (begins || this.getTransactionStatus() !== 'I') return reject(error);
      resolve(this.#send(namedStatement(text, values)));
    };
    void this.#send(begins ? new BeginQuery(statement) : statement, settle);
    return this.#endWhenUnanswered(promise);
  }

  async #begin(): Promise<unknown> {
    if (this.#canBegin) {
      this.#isBeginning = true;
      return emptyResult('BEGIN');
    }
    const result = await this.#send(BEGIN);
    this.#canBegin = true;
    return result;
  }

  #send(...args: unknown[]): Promise<unknown> {
    const send = pg.Client.prototype.query as (...given: unknown[]) => Promise<unknown>;
    this.#gatherWrites();
    return this.#endWhenUnanswered(send.apply(this, args));
  }

  /**
   * What is sent in one turn leaves in one write, as an event's insert and its COMMIT. A write
   * costs more than all else of a small statement: it wakes PostgreSQL.
   */
  #gatherWrites(): void {
    const { stream } = (this as unknown as { connection: { stream: Socket } }).connection;
    if (this.#isCorked) return;
    this.#isCorked = true;
    stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  /**
   * After a client-side time-out pg would return the connection to the pool with its answer still
   * to come. The next query on it would wait as long again, so the connection is ended instead.
   */
  #endWhenUnanswered<Result>(result: Result): Result {
    if (result instanceof Promise) {
      result.catch((error: unknown) => {
        if (error instanceof Error && error.message === 'Query read timeout')
          void this.end().catch(() => {});
      });
    }
    return result;
  }
}
