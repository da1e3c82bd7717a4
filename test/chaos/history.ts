import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { SentEvent } from './clients/integrator.ts';
import type { ActionKind } from './plan/plan-actions.ts';
import type { Area } from './clients/probe.ts';

/** The answer to a client: done, refused (4xx), or nothing reliable. */
export type Result = 'ok' | 'refused' | 'unknown';

/** One request of a client and its answer. Times are milliseconds since the run began. */
export interface Operation {
  client: number;
  number: number;
  kind: ActionKind;
  traceparent: string;
  /** The account concerned, once the client knows its id. */
  account: string | null;
  /** The file concerned or created. */
  file: string | null;
  invokedAt: number;
  completedAt: number;
  result: Result;
  /** 0 when no answer came. */
  status: number;
  code: string | null;
  requestId: string | null;
  /** Whether an earlier attempt's answer was replayed under its Idempotency-Key. */
  replayed: boolean;
  note: string | null;
}

/** An operation that has no answer yet. */
export function createOperation(
  sent: Pick<
    Operation,
    'client' | 'number' | 'kind' | 'traceparent' | 'account' | 'file' | 'invokedAt'
  >,
): Operation {
  return {
    ...sent,
    completedAt: 0,
    result: 'unknown',
    status: 0,
    code: null,
    requestId: null,
    replayed: false,
    note: null,
  };
}

/** A fault that took place. */
export interface FaultRecord {
  kind: string;
  target: string;
  injectedAt: number;
  healedAt: number;
  /** From the heal to the answers of all affected services, in ms; null when there was none. */
  answeredMs: number | null;
  /** From the heal until all earlier acknowledged events were sealed, in ms. */
  caughtUpMs: number | null;
}

/** Everything that happened: in memory for the check, and as lines of a file for people. */
export interface History {
  operations: Operation[];
  /** Events that customers' services have sent. */
  sent: SentEvent[];
  faults: FaultRecord[];
  /** Successful answers to probes. */
  answers: { area: Area; sentAt: number; answeredAt: number }[];
  /** Milliseconds since the run began. */
  now(): number;
  /** When the run began, in milliseconds since the epoch. */
  beganAt: number;
  write(line: { type: string; [detail: string]: unknown }): void;
  close(): Promise<void>;
}

export function createHistory(file: string): History {
  const stream = createWriteStream(file, { mode: 0o600 });
  const began = performance.now();
  const now = (): number => Math.round(performance.now() - began);
  return {
    operations: [],
    sent: [],
    faults: [],
    answers: [],
    now,
    beganAt: Date.now(),
    write(line) {
      stream.write(`${JSON.stringify({ at: now(), ...line })}\n`);
    },
    async close() {
      stream.end();
      await once(stream, 'finish');
    },
  };
}
