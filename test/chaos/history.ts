import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { SentEvent } from './clients/integrator.ts';
import type { ActionKind } from './plan/plan-actions.ts';
import type { Area } from './clients/probe.ts';

/** What a client was told: done, refused for a reason of the request's (4xx), or nothing that could be relied on. */
export type Result = 'ok' | 'refused' | 'unknown';

/** One request of a client, from its start to its answer. Times are milliseconds since the run began. */
export interface Operation {
  client: number;
  number: number;
  kind: ActionKind;
  traceparent: string;
  /** Whose account it was about, once the client knew its id. */
  account: string | null;
  /** The file it was about, or the one that came of it. */
  file: string | null;
  invokedAt: number;
  completedAt: number;
  result: Result;
  /** 0: no answer came. */
  status: number;
  code: string | null;
  requestId: string | null;
  /** The answer is an earlier try's, given again under its Idempotency-Key. */
  replayed: boolean;
  note: string | null;
}

/** A fault that took place. */
export interface FaultRecord {
  kind: string;
  target: string;
  injectedAt: number;
  healedAt: number;
  /** Since healed, until each service that needs what was broken had answered; null: none needs it, or none did before the end. Milliseconds. */
  answeredMs: number | null;
  /** Since healed, until every event that had been acknowledged before was in the trail. Milliseconds. */
  caughtUpMs: number | null;
}

/** Everything that happened, in memory for the check and line by line in a file for whoever wants to know why. */
export interface History {
  operations: Operation[];
  /** What customers' own services have sent. */
  sent: SentEvent[];
  faults: FaultRecord[];
  /** When which service answered as it should. */
  answers: { area: Area; sentAt: number; answeredAt: number }[];
  /** Milliseconds since the run began. */
  now(): number;
  /** When the run began, by the clock of the machine. Milliseconds since the epoch. */
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
