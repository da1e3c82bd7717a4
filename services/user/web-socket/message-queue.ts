import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Answered } from './answer-message.ts';

export interface MessageQueueOptions {
  answer: (handshake: FastifyRequest, text: string) => Promise<Answered>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onAnswer(answered: Answered): void;
}

/** Messages of a connection in a burst, then each second. */
const BURST = 40;
const PER_SECOND = 20;
/** Limits past which a connection is not read. */
const WAITING_MESSAGES = 8;
const WAITING_BYTES = 128 * 1024;

export interface MessageQueue {
  push(text: string): void;
  isAnswering(): boolean;
  /** Resolves when every message has its answer. */
  settled(): Promise<void>;
}

/** Answers messages in order and one at a time: an answer does not name its message. */
export function createMessageQueue(
  socket: WebSocket,
  handshake: FastifyRequest,
  { answer, onAnswer, log }: MessageQueueOptions,
): MessageQueue {
  const waiting: string[] = [];
  let waitingBytes = 0;
  let state: 'idle' | 'answering' | 'sending' = 'idle';
  let working: Promise<void> = Promise.resolve();

  /** Resolves once sent, so a client that reads nothing is not read. */
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => {
      socket.send(text, () => resolve());
    });

  async function work(): Promise<void> {
    for (
      let text = waiting.shift();
      text !== undefined && socket.readyState === socket.OPEN;
      text = waiting.shift()
    ) {
      waitingBytes -= text.length;
      state = 'answering';
      const answered = await answer(handshake, text);
      state = 'sending';
      onAnswer(answered);
      await send(JSON.stringify(answered.answer));
      if (waiting.length < WAITING_MESSAGES && waitingBytes < WAITING_BYTES) socket.resume();
    }
    // In the same turn: a message of the next turn would wait for another one.
    state = 'idle';
  }

  return {
    push(text) {
      waiting.push(text);
      waitingBytes += text.length;
      if (waiting.length >= WAITING_MESSAGES || waitingBytes >= WAITING_BYTES) socket.pause();
      if (state !== 'idle') return;
      working = work().catch((error: unknown) => {
        log.warn({ err: error }, 'a socket failed');
        socket.terminate();
      });
    },
    isAnswering: () => state === 'answering',
    settled: () => working,
  };
}

/** Counts messages against the rate. @returns false past it */
export function createMessageRate(): () => boolean {
  let allowance = BURST;
  let countedAt = performance.now();
  return () => {
    const now = performance.now();
    allowance = Math.min(BURST, allowance + ((now - countedAt) * PER_SECOND) / 1_000);
    countedAt = now;
    if (allowance < 1) return false;
    allowance -= 1;
    return true;
  };
}
