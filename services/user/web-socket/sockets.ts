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
/** Half is for the current answer, half for the closing handshake. */
const STOP_TIMEOUT_MS = 2_000;

// RFC 6455 §7.4.1
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;

interface Connection {
  tick(): void;
  stop(): Promise<void>;
}

function serve(
  socket: WebSocket,
  handshake: FastifyRequest,
  { answer, onAnswer, log }: SocketsOptions,
): Connection {
  const waiting: string[] = [];
  let waitingBytes = 0;
  let allowance = BURST;
  let countedAt = performance.now();
  let isHeard = true;
  let stopping = false;
  let idle = true;
  let answering = false;
  let working: Promise<void> = Promise.resolve();

  /** Resolves once sent, so a client that reads nothing is not read. */
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => {
      socket.send(text, () => resolve());
    });

  async function work(): Promise<void> {
    for (
      let text = waiting.shift();
      text !== undefined && !stopping && socket.readyState === socket.OPEN;
      text = waiting.shift()
    ) {
      waitingBytes -= text.length;
      answering = true;
      const answered = await answer(handshake, text);
      answering = false;
      onAnswer?.(answered);
      await send(JSON.stringify(answered.answer));
      if (waiting.length < WAITING_MESSAGES && waitingBytes < WAITING_BYTES) socket.resume();
    }
    // In the same turn: a message of the next turn would wait for another one.
    idle = true;
  }

  function isWithinRate(): boolean {
    const now = performance.now();
    allowance = Math.min(BURST, allowance + ((now - countedAt) * PER_SECOND) / 1_000);
    countedAt = now;
    if (allowance < 1) return false;
    allowance -= 1;
    return true;
  }

  socket.on('message', (data: RawData, isBinary: boolean) => {
    isHeard = true;
    if (stopping || socket.readyState !== socket.OPEN) return;
    if (isBinary) return socket.close(UNSUPPORTED_DATA, 'messages are JSON text');
    if (!isWithinRate()) return socket.close(POLICY_VIOLATION, 'too many messages');
    const text = (data as Buffer).toString();
    waiting.push(text);
    waitingBytes += text.length;
    if (waiting.length >= WAITING_MESSAGES || waitingBytes >= WAITING_BYTES) socket.pause();
    if (!idle) return;
    idle = false;
    // In order and one at a time: an answer does not name its message.
    working = work().catch((error: unknown) => {
      log.warn({ err: error }, 'a socket failed');
      socket.terminate();
    });
  });
  socket.on('pong', () => {
    isHeard = true;
  });

  return {
    tick() {
      // A socket that is paused for an answer cannot be heard.
      if (!isHeard && !answering) return socket.terminate();
      isHeard = false;
      socket.ping();
    },
    async stop() {
      stopping = true;
      waiting.length = 0;
      await withTimeout(working, STOP_TIMEOUT_MS / 2, () => undefined);
      await new Promise<void>((resolve) => {
        if (socket.readyState === socket.CLOSED) return resolve();
        socket.once('close', () => resolve());
        socket.resume();
        socket.close(GOING_AWAY, 'the replica stops');
        setTimeout(() => socket.terminate(), STOP_TIMEOUT_MS / 2).unref();
      });
    },
  };
}

export interface Sockets {
  open(socket: WebSocket, handshake: FastifyRequest): void;
  size(): number;
  /** Lets each finish its current answer, then closes it with 1001. */
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
