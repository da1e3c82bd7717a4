import { clientNetwork, withTimeout, type RevalidatePrincipal } from '@muniment/security';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { RawData, WebSocket } from 'ws';
import { SocketCapacity, TooManySockets } from '../errors.ts';
import type { Answered } from './answer-message.ts';
import { createMessageQueue, createMessageRate } from './message-queue.ts';
import { CLOSE_CODES, type TokenEnd } from './server-messages.ts';
import { watchTokens } from './watched-tokens.ts';

export interface SocketsOptions {
  answer: (handshake: FastifyRequest, text: string) => Promise<Answered>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  onAnswer?(answered: Answered): void;
  /** Whether the owner of a token that was used may go on. */
  revalidate: RevalidatePrincipal;
  pingMs?: number;
  /** Most sockets of this replica. */
  max: number;
  /** Most sockets of one network among them. */
  maxPerNetwork: number;
  /** A socket is closed unless a message of it succeeds in this time. */
  firstMessageMs: number;
}

const FULL_RETRY_AFTER_S = 5;
/** Half is for the answers, half for the closing handshake. */
const STOP_TIMEOUT_MS = 2_000;
/** A socket closes within a second of its last token's end: tokens are checked each 400 ms. */
const CHECK_PAUSE_MS = 400;
/** For the answer to the message that ended its own token, e.g. user/delete. */
const LAST_ANSWER_MS = 300;

interface Connection {
  tick(): void;
  checkTokens(): Promise<void>;
  stop(): Promise<void>;
}

const closeForRestart = (socket: WebSocket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.readyState === socket.CLOSED) return resolve();
    socket.once('close', () => resolve());
    socket.resume();
    socket.close(CLOSE_CODES.serviceRestart, 'the replica stops');
    setTimeout(() => socket.terminate(), STOP_TIMEOUT_MS / 2).unref();
  });

const isOpen = (socket: WebSocket): boolean => socket.readyState === socket.OPEN;

/** Closes a socket whose last token has ended. One that is paused could not take the answer. */
function closeTokenEnded(socket: WebSocket, end: TokenEnd): void {
  socket.resume();
  socket.close(CLOSE_CODES.tokenEnded, end);
}

/** Closes a socket of which no message succeeds in time. */
function requireSuccess(
  socket: WebSocket,
  timeoutMs: number,
  isAnswering: () => boolean,
): { answered(answered: Answered): void } {
  let hasSucceeded = false;
  let isLate = false;
  const closeLate = (): void => {
    if (isLate && !hasSucceeded)
      socket.close(CLOSE_CODES.policyViolation, 'no message has succeeded in time');
  };
  const deadline = setTimeout(() => {
    isLate = true;
    // A message that is being answered may still succeed.
    if (!isAnswering()) closeLate();
  }, timeoutMs).unref();
  socket.once('close', () => clearTimeout(deadline));
  return {
    answered({ outcome }) {
      hasSucceeded ||= outcome === 'success';
      closeLate();
    },
  };
}

function serve(socket: WebSocket, handshake: FastifyRequest, options: SocketsOptions): Connection {
  const tokens = watchTokens(options.revalidate, (notice) => {
    if (isOpen(socket)) socket.send(JSON.stringify(notice));
  });
  const queue = createMessageQueue(socket, handshake, {
    ...options,
    onAnswer(answered) {
      options.onAnswer?.(answered);
      if (answered.token) tokens.add(answered.token);
      first.answered(answered);
    },
  });
  const first = requireSuccess(socket, options.firstMessageMs, queue.isAnswering);
  const isWithinRate = createMessageRate();
  let isHeard = true;
  let stopping = false;

  socket.on('message', (data: RawData, isBinary: boolean) => {
    isHeard = true;
    if (stopping || !isOpen(socket)) return;
    if (isBinary) return socket.close(CLOSE_CODES.unsupportedData, 'messages are JSON text');
    if (!isWithinRate()) return socket.close(CLOSE_CODES.policyViolation, 'too many messages');
    queue.push((data as Buffer).toString());
  });
  socket.on('pong', () => {
    isHeard = true;
  });

  async function closeAfterAnswers(end: TokenEnd): Promise<void> {
    await withTimeout(queue.settled(), LAST_ANSWER_MS, () => undefined);
    // An answer may have brought the next token, or have watched the ended one again.
    await tokens.check();
    if (!tokens.hasAny()) closeTokenEnded(socket, end);
  }

  return {
    tick() {
      // A socket that is paused for an answer cannot be heard.
      if (!isHeard && !queue.isAnswering()) return socket.terminate();
      isHeard = false;
      socket.ping();
    },
    async checkTokens() {
      const end = await tokens.check();
      if (end !== undefined && !stopping) void closeAfterAnswers(end);
    },
    async stop() {
      stopping = true;
      await withTimeout(queue.settled(), STOP_TIMEOUT_MS / 2, () => undefined);
      await closeForRestart(socket);
    },
  };
}

export interface Sockets {
  /** @throws TooManySockets, SocketCapacity */
  requireRoom(handshake: Pick<FastifyRequest, 'ip'>): void;
  open(socket: WebSocket, handshake: FastifyRequest): void;
  size(): number;
  /** Answers what each has sent, then closes it with 1012. */
  stop(): Promise<void>;
}

/** The sockets of this replica. They hold no state, so clients may continue elsewhere. */
export function createSockets(options: SocketsOptions): Sockets {
  const connections = new Map<Connection, { network: string }>();
  let stopping = false;
  const timer = setInterval(() => {
    for (const connection of connections.keys()) connection.tick();
  }, options.pingMs ?? 30_000).unref();
  let checking: NodeJS.Timeout | undefined;

  /** Checks again and again while there is a socket. */
  function startChecking(): void {
    checking ??= setTimeout(() => {
      const checked = [...connections.keys()].map((connection) => connection.checkTokens());
      void Promise.allSettled(checked).finally(() => {
        checking = undefined;
        if (connections.size > 0 && !stopping) startChecking();
      });
    }, CHECK_PAUSE_MS).unref();
  }

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
      if (stopping) return socket.close(CLOSE_CODES.serviceRestart, 'the replica stops');
      const connection = serve(socket, handshake, options);
      connections.set(connection, { network: clientNetwork(handshake.ip) });
      startChecking();
      socket.once('close', () => connections.delete(connection));
    },
    size: () => connections.size,
    async stop() {
      stopping = true;
      clearInterval(timer);
      clearTimeout(checking);
      await Promise.all([...connections.keys()].map((connection) => connection.stop()));
    },
  };
}
