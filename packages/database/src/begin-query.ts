import pg from 'pg';

/** The prepared statement that begins a transaction. A connection has it after its first. */
export const BEGIN = { name: 'begin', text: 'begin' };

/** What pg's queries do beyond their types. */
interface QueryInternals {
  prepare(connection: pg.Connection): void;
  handleCommandComplete(message: { text: string }, connection: pg.Connection): void;
}
const { prepare, handleCommandComplete } = pg.Query.prototype as unknown as QueryInternals;

/**
 * A transaction's first statement with its BEGIN in front, in one write. No Sync stands between
 * them, so PostgreSQL skips the statement when BEGIN fails (Frontend/Backend Protocol, «Extended
 * Query»). Sent as two queries, it would then run outside a transaction.
 */
export class BeginQuery extends pg.Query implements QueryInternals {
  #begun = false;

  prepare(connection: pg.Connection): void {
    connection.bind({ statement: BEGIN.name }, true);
    connection.execute({}, true);
    prepare.call(this, connection);
  }

  handleCommandComplete(message: { text: string }, connection: pg.Connection): void {
    if (this.#begun) handleCommandComplete.call(this, message, connection);
    this.#begun = true;
  }
}
