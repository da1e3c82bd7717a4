import { clientNetwork, withTimeout } from '@muniment/security';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { RawData, WebSocket } from 'ws';
import { SocketCapacity, TooManySockets } from '../errors.ts';
import type { Answered } from './answer-message.ts';
import { createMessageQueue } from './message-queue.ts';

export interface SocketsOptions {
  answer: (handshake: FastifyRequest, text: string) => Promise<Answered>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onAnswer?(answered: Answered): void;
  pingMs?: number;
  /** Most sockets of this replica. */
  max: number;
  /** Most sockets of one network among them. */
  maxPerNetwork: number;
  /** A socket is closed unless a message of it succeeds in this time. */
  firstMessageMs: number;
}

/** Messages of a connection in a burst, then each second. */
const BURST = 40;
const PER_SECOND = 20;
const FULL_RETRY_AFTER_S = 5;
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
  const first = { hasSucceeded: false, isLate: false };
  const closeLate = (): void => {
    if (first.isLate && !first.hasSucceeded)
      socket.close(POLICY_VIOLATION, 'no message has succeeded in time');
  };
  const queue = createMessageQueue(socket, handshake, {
    ...options,
    onAnswer(answered) {
      options.onAnswer?.(answered);
      first.hasSucceeded ||= answered.outcome === 'success';
      closeLate();
    },
  });
  const deadline = setTimeout(() => {
    first.isLate = true;
    // A message that is being answered may still succeed.
    if (!queue.isAnswering()) closeLate();
  }, options.firstMessageMs).unref();
  socket.once('close', () => clearTimeout(deadline));
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
  /** @throws TooManySockets, SocketCapacity */
  requireRoom(handshake: Pick<FastifyRequest, 'ip'>): void;
  open(socket: WebSocket, handshake: FastifyRequest): void;
  size(): number;
  /** Answers what each has sent, then closes it with 1001. */
  stop(): Promise<void>;
}

/** The sockets of this replica. They hold no state, so clients may continue elsewhere. */
export function createSockets(options: SocketsOptions): Sockets {
  const connections = new Map<Connection, { network: string }>();
  let stopping = false;
  const timer = setInterval(() => {
    for (const connection of connections.keys()) connection.tick();
  }, options.pingMs ?? 30_000).unref();
  const countOf = (network: string): number =>
    [...connections.values()].filter((one) => one.network === network).length;
  return {
    requireRoom({ ip }) {
      const retryAfter = FULL_RETRY_AFTER_S;
      // No network gets more than a small part of the places.
      if (countOf(clientNetwork(ip)) >= options.maxPerNetwork)
        throw Object.assign(new TooManySockets(), { retryAfter });
      if (connections.size >= options.max)
        throw Object.assign(new SocketCapacity(), { retryAfter });
    },
    open(socket, handshake) {
      if (stopping) return socket.close(GOING_AWAY, 'the replica stops');
      const connection = serve(socket, handshake, options);
      connections.set(connection, { network: clientNetwork(handshake.ip) });
      socket.once('close', () => connections.delete(connection));
    },
    size: () => connections.size,
    async stop() {
      stopping = true;
      clearInterval(timer);
      await Promise.all([...connections.keys()].map((connection) => connection.stop()));
    },
  };
}
