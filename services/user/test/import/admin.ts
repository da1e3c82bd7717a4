import type { RowOutcome } from '../../import/row-outcome.ts';
import type { TestServer } from '../build.ts';
import { registerAs } from '../directory/administrator.ts';

export interface Summary {
  rows: number;
  created: number;
  existing: number;
  refused: number;
}

/** @returns the access token of a new administrator */
export async function signInAdmin(server: TestServer): Promise<string> {
  return (await registerAs(server)).token;
}

export interface ImportOptions {
  source?: string;
  type?: string;
  key?: string;
}

/** Imports a file. @returns the answer, with its report where it has one */
export async function importFile(
  server: TestServer,
  token: string,
  { body, source = 'muniment', type, key }: ImportOptions & { body: string | Buffer },
) {
  const answer = await server.call('POST', `/api/users/import?source=${source}`, {
    body: body as string,
    token,
    headers: {
      'content-type': type ?? 'application/x-ndjson',
      ...(key !== undefined && { 'idempotency-key': key }),
    },
  });
  const lines =
    answer.statusCode === 200
      ? answer.body
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as object)
      : [];
  const { summary } = (lines.pop() ?? {}) as { summary?: Summary };
  return { answer, rows: lines as RowOutcome[], summary };
}

export const ndjson = (...rows: object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');
