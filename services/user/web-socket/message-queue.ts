import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Answered } from './answer-message.ts';

export interface MessageQueueOptions {
  answer: (handshake: FastifyRequest, text: string) => Promise<Answered>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onAnswer(answered: Answered): void;
}

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
