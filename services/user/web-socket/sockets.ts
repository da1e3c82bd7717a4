import { withTimeout } from '@muniment/security';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { RawData, WebSocket } from 'ws';
import type { Answered } from './answer-message.ts';

export interface SocketsOptions {
  answer: (handshake: FastifyRequest, text: string) => Promise<Answered>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onAnswer?(answered: Answered): void;
  pingMs?: number;
}

/** Messages of a connection in a burst, then each second. */
const BURST = 40;
const PER_SECOND = 20;
/** Limits past which a connection is not read. */
const WAITING_MESSAGES = 8;
const WAITING_BYTES = 128 * 1024;
/** Half is for the answers, half for the closing handshake. */
const STOP_TIMEOUT_MS = 2_000;

// RFC 6455 §7.4.1
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;

interface Connection {
  tick(): void;
  stop(): Promise<void>;
}

interface MessageQueue {
  push(text: string): void;
  isAnswering(): boolean;
  /** Resolves when every message has its answer. */
  settled(): Promise<void>;
}

/** Answers messages in order and one at a time: an answer does not name its message. */
function createMessageQueue(
  socket: WebSocket,
  handshake: FastifyRequest,
  { answer, onAnswer, log }: SocketsOptions,
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
      onAnswer?.(answered);
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
function createRate(): () => boolean {
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

const closeGoingAway = (socket: WebSocket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.readyState === socket.CLOSED) return resolve();
    socket.once('close', () => resolve());
    socket.resume();
    socket.close(GOING_AWAY, 'the replica stops');
    setTimeout(() => socket.terminate(), STOP_TIMEOUT_MS / 2).unref();
  });

function serve(socket: WebSocket, handshake: FastifyRequest, options: SocketsOptions): Connection {
  const queue = createMessageQueue(socket, handshake, options);
  const isWithinRate = createRate();
  let isHeard = true;
  let stopping = false;

  socket.on('message', (data: RawData, isBinary: boolean) => {
    isHeard = true;
    if (stopping || socket.readyState !== socket.OPEN) return;
    if (isBinary) return socket.close(UNSUPPORTED_DATA, 'messages are JSON text');
    if (!isWithinRate()) return socket.close(POLICY_VIOLATION, 'too many messages');
    queue.push((data as Buffer).toString());
  });
  socket.on('pong', () => {
    isHeard = true;
  });

  return {
    tick() {
      // A socket that is paused for an answer cannot be heard.
      if (!isHeard && !queue.isAnswering()) return socket.terminate();
      isHeard = false;
      socket.ping();
    },
    async stop() {
      stopping = true;
      await withTimeout(queue.settled(), STOP_TIMEOUT_MS / 2, () => undefined);
      await closeGoingAway(socket);
    },
  };
}

export interface Sockets {
  open(socket: WebSocket, handshake: FastifyRequest): void;
  size(): number;
  /** Answers what each has sent, then closes it with 1001. */
  stop(): Promise<void>;
}

/** The sockets of this replica. They hold no state, so clients may continue elsewhere. */
export function createSockets(options: SocketsOptions): Sockets {
  const connections = new Set<Connection>();
  let stopping = false;
  const timer = setInterval(() => {
    for (const connection of connections) connection.tick();
  }, options.pingMs ?? 30_000).unref();
  return {
    open(socket, handshake) {
      if (stopping) return socket.close(GOING_AWAY, 'the replica stops');
      const connection = serve(socket, handshake, options);
      connections.add(connection);
      socket.once('close', () => connections.delete(connection));
    },
    size: () => connections.size,
    async stop() {
      stopping = true;
      clearInterval(timer);
      await Promise.all([...connections].map((connection) => connection.stop()));
    },
  };
}
