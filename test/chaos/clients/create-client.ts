import type { Fleet } from '../../e2e/fleet.ts';
import { abortableSleep } from '../abortable-sleep.ts';
import { createOperation, type History, type Operation } from '../history.ts';
import { traceparentOf } from '../plan/plan-actions.ts';
import type { Account } from './account.ts';
import { BACKOFF_MS, sendUntilAnswered, type ClientRequest } from './send-request.ts';

export interface ClientOptions {
  fleet: Fleet;
  history: History;
  seed: number;
  client: number;
  /** Ends the client after its current request. */
  signal: AbortSignal;
}

export interface Answer {
  operation: Operation;
  text: string;
}

/** One customer, with an account at most. */
export interface Client {
  account: Account | undefined;
  /** A name that is new to the fleet. */
  createName(prefix: string): string;
  /** Sends a request. The caller completes its answer. */
  send(request: ClientRequest): Promise<Answer>;
  /** Records an operation once its answer is understood. */
  complete(answer: Answer): void;
}

export function createClient({ fleet, history, seed, client, signal }: ClientOptions): Client {
  let requests = 0;
  let names = 0;
  let lastWasUnknown = false;
  const own: Client = {
    account: undefined,
    createName: (prefix) => `${prefix}-${seed}-${client}-${(names += 1)}`,

    async send(request) {
      const number = (requests += 1);
      // Immediate retries would prolong an outage.
      if (lastWasUnknown) await abortableSleep(BACKOFF_MS, signal);
      const operation = createOperation({
        client,
        number,
        kind: request.kind,
        traceparent: traceparentOf(seed, client, number),
        account: own.account?.id ?? null,
        file: request.file ?? null,
        invokedAt: history.now(),
      });
      const { kind, account, file } = operation;
      history.write({ type: 'invoke', client, number, kind, account, file });
      const text = await sendUntilAnswered(fleet, request, { operation, signal });
      operation.completedAt = history.now();
      lastWasUnknown = operation.result === 'unknown';
      return { operation, text };
    },

    complete({ operation }) {
      history.operations.push(operation);
      history.write({ type: operation.result, ...operation });
      if (operation.status === 401 && operation.code === 'unauthenticated' && own.account)
        own.account.token = undefined;
    },
  };
  return own;
}

/** Sends a request whose answer needs no reading. */
export async function sendAndComplete(client: Client, request: ClientRequest): Promise<Operation> {
  const answer = await client.send(request);
  client.complete(answer);
  return answer.operation;
}
