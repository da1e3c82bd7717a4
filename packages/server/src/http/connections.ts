import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { malformedRequestResponse } from './problem.ts';

/** Silence after which a stopping replica closes a connection. Nginx closes its own after 500 ms. */
export const IDLE_MS = 750;
/** How long the rest of a body is read behind an early answer, e.g. a refused upload's. */
const LINGER_MS = 5_000;
/** WebSockets end by their own closing handshake. This bounds those that do not. */
const UPGRADED_TIMEOUT_MS = 4_500;
const SWEEP_MS = 25;

/** A turn of the event loop that is this short has met no other work. */
const QUICK_TURN_MS = 0.1;
const QUICK_TURN_TIMEOUT_MS = 50;
const ACCEPT_TIMEOUT_MS = 1_000;

interface Connection {
  answers: Set<ServerResponse>;
  newest?: ServerResponse;
  /** When its last byte or answer was seen, by the monotonic clock. */
  activeAt: number;
  bytesRead: number;
  /** `bytesRead` when the last answer ended: what came since is a request without an end. */
  answeredBytes: number;
}

export interface Connections {
  /** Whether malformed bytes would fall into the answer of a whole request. */
  isAnswering(socket: Socket): boolean;
}

/**
 * Watches the server's connections. When the app closes, listening ends first. Then each request
 * that has come or still comes is answered, and its connection ends with the answer.
 */
export function trackConnections(app: FastifyInstance): Connections {
  const { server } = app;
  const connections = new Map<Socket, Connection>();
  const upgraded = new Set<Socket>();
  let draining = false;
  server.on('connection', (socket: Socket) => addConnection(connections, socket));
  server.prependListener('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const connection = connections.get(socket);
    if (connection) addAnswer(connection, socket, answer);
  });
  app.addHook('onReady', async () => {
    // With a listener of our own alone Node would no longer answer upgrades as plain requests.
    if (server.listenerCount('upgrade') === 0) return;
    server.prependListener('upgrade', (_request: IncomingMessage, socket: Socket) => {
      connections.delete(socket);
      upgraded.add(socket);
      socket.once('close', () => upgraded.delete(socket));
    });
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const connection = connections.get(request.raw.socket);
    if (connection && (connection.newest !== reply.raw || !isWhole(request.raw))) {
      // Closing now would drop a pipelined request, or reset the connection under this answer.
      reply.removeHeader('connection');
    } else if (draining) reply.raw.shouldKeepAlive = false;
    done(null, payload);
  });
  // Node's close() destroys idle connections, and with them requests that are on their way.
  server.closeIdleConnections = () => {};
  // The first of these hooks: sockets and streams end while no new ones come.
  app.addHook('preClose', async () => {
    if (!server.listening) return;
    await endListening(server);
    draining = true;
    drain(server, connections, upgraded);
  });
  return {
    isAnswering: (socket) =>
      [...(connections.get(socket)?.answers ?? [])].some(
        (answer) => answer.headersSent || answer.req.complete,
      ),
  };
}

/** A handler that answers at once is done before Node calls a request without a body complete. */
function isWhole({ complete, headers }: IncomingMessage): boolean {
  const hasBody =
    headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
  return complete || !hasBody;
}

function addConnection(connections: Map<Socket, Connection>, socket: Socket): void {
  connections.set(socket, {
    answers: new Set(),
    activeAt: performance.now(),
    bytesRead: 0,
    answeredBytes: 0,
  });
  socket.once('close', () => connections.delete(socket));
}

function addAnswer(connection: Connection, socket: Socket, answer: ServerResponse): void {
  connection.answers.add(answer);
  connection.newest = answer;
  answer.once('close', () => {
    connection.answers.delete(answer);
    connection.activeAt = performance.now();
    connection.bytesRead = socket.bytesRead;
    // The rest of a body that was answered early is no request.
    connection.answeredBytes = answer.req.complete ? socket.bytesRead : Infinity;
    if (!answer.req.complete && !socket.destroyed) discardRest(answer.req);
  });
}

/** Reads on, since a socket closed with unread bytes resets the connection under the answer. */
function discardRest(request: IncomingMessage): void {
  request.on('error', () => undefined).resume();
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, LINGER_MS).unref();
}

/**
 * Ends listening in a turn of the event loop that has accepted nothing and done nothing else. The
 * kernel resets what waits to be accepted, and Node accepts one connection a turn.
 */
async function endListening(server: Server): Promise<void> {
  let accepted = 0;
  const count = (): void => void (accepted += 1);
  server.on('connection', count);
  const started = performance.now();
  for (let elapsed = 0; elapsed < ACCEPT_TIMEOUT_MS; elapsed = performance.now() - started) {
    const before = accepted;
    const turned = performance.now();
    await nextTurn();
    const isQuick = performance.now() - turned < QUICK_TURN_MS || elapsed > QUICK_TURN_TIMEOUT_MS;
    if (accepted === before && isQuick) break;
  }
  server.off('connection', count);
  // Only listening: Node's own close() also ends its time-outs of slow requests.
  NetServer.prototype.close.call(server);
}

/** Closes connections as they become idle, until none is left. */
function drain(server: Server, connections: Map<Socket, Connection>, upgraded: Set<Socket>): void {
  // Behind the sockets of the same turn: after a stall timers run before what has come meanwhile.
  const sweep = setInterval(() => setImmediate(closeIdle, connections), SWEEP_MS);
  const terminate = setTimeout(() => {
    for (const socket of upgraded) socket.destroy();
  }, UPGRADED_TIMEOUT_MS);
  server.once('close', () => {
    clearInterval(sweep);
    clearTimeout(terminate);
  });
}

function closeIdle(connections: ReadonlyMap<Socket, Connection>): void {
  const now = performance.now();
  for (const [socket, connection] of connections) {
    if (socket.bytesRead !== connection.bytesRead) {
      connection.bytesRead = socket.bytesRead;
      connection.activeAt = now;
    }
    if (connection.answers.size > 0 || now - connection.activeAt < IDLE_MS) continue;
    if (socket.bytesRead > connection.answeredBytes && socket.writable)
      socket.end(malformedRequestResponse('ERR_HTTP_REQUEST_TIMEOUT'));
    else socket.destroy();
  }
}
