import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventSource } from 'eventsource';
import { sql, type Kysely } from 'kysely';
import type { Test } from 'tap';
import type { AuditEvent } from '@muniment/audit-events';
import type { AuditContext } from '../../context.ts';
import { insertEvents } from '../../event-store/event-queries.ts';
import type { Tables } from '../../tables.ts';
import type { Caller } from '../build.ts';
import { anEvent } from '../records.ts';

/**
 * Stores and seals events in one transaction, as the consumer and the sealer leave them. The
 * sealer's loop must not run beside.
 * @returns the index of the last
 */
export async function storeSealed(
  db: Kysely<Tables>,
  events: readonly Partial<AuditEvent>[],
): Promise<number> {
  const whole = events.map((event) => anEvent(event));
  return db.transaction().execute(async (trx) => {
    await insertEvents(trx, whole);
    const { rows } = await sql<{ head: number }>`
      with head as (select coalesce(max(index), -1) as head from audit.sealed)
      insert into audit.sealed (index, event_id)
      select head + n, id
      from head, unnest(${whole.map(({ id }) => id)}::uuid[]) with ordinality as e (id, n)
      returning index as head`.execute(trx);
    return rows.at(-1)?.head ?? -1;
  });
}

export interface Served {
  url: string;
  /** Breaks every connection, without a goodbye of either side. */
  cut(): void;
}

/** Serves the app at a port of its own, without its loops. */
export async function serve(
  t: Test,
  { http: { app } }: Pick<AuditContext, 'http'>,
): Promise<Served> {
  await app.ready();
  const server = createServer((incoming, outgoing) => app.routing(incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => server.closeAllConnections(),
  };
}

export interface Line {
  response: IncomingMessage;
  /** All that has arrived. */
  text(): string;
  ended: Promise<void>;
  close(): void;
}

/** A stream as bytes. */
export async function connect(
  url: string,
  caller: Caller,
  headers: Record<string, string> = {},
): Promise<Line> {
  const outgoing = request(url, {
    agent: false,
    headers: { authorization: `Bearer ${caller.token}`, ...headers },
  });
  outgoing.on('error', () => {});
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  response.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  response.on('error', () => {});
  return {
    response,
    text: () => text,
    ended: new Promise((resolve) => response.once('close', resolve)),
    close: () => outgoing.destroy(),
  };
}

export interface Follower {
  /** What arrived: the ids as the stream gave them, and the data. */
  indexes: number[];
  entries: Record<string, unknown>[];
  source: EventSource;
}

/**
 * A stream read by an implementation of the standard that is not ours; it connects again by
 * itself.
 */
export function follow(t: Test, url: string, caller: Caller): Follower {
  const source = new EventSource(url, {
    fetch: (input, init) =>
      fetch(input, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${caller.token}` },
      }),
  });
  t.teardown(() => source.close());
  const follower: Follower = { indexes: [], entries: [], source };
  source.addEventListener(
    'audit',
    ({ data, lastEventId }: { data: string; lastEventId: string }) => {
      follower.indexes.push(Number(lastEventId));
      follower.entries.push(JSON.parse(data));
    },
  );
  return follower;
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, n) => from + n);
