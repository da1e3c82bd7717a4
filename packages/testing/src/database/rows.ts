import type { ClientBase, Pool } from 'pg';

/** Runs SQL and returns its rows. */
export type Rows = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

export function rowsOf(client: ClientBase | Pool): Rows {
  return async <Row>(text: string, values: unknown[] = []) =>
    (await client.query(text, values)).rows as Row[];
}
