import websocket from '@fastify/websocket';
import { Counter, Gauge } from 'prom-client';
import { OriginRefused } from '@muniment/security';
import { ownOrigins } from '@muniment/server';
import { SocketCapacity, UpgradeRequired } from '../errors.ts';
import { createMessages } from './answer-message.ts';
import { createSockets } from './sockets.ts';
import type { UserContext } from '../context.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
/** A client that was told why may leave by itself; of one that broke the protocol nothing more can be understood, not even that. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Not as a literal where it is used: @types/ws lacks the time-out. */
const socketOptions = { maxPayload: MAX_MESSAGE_BYTES, closeTimeout: CLOSE_TIMEOUT_MS };

/**
 * `GET /ws`: the channels of seed 002 (RFC 6455). The connection itself authorises nothing, so anybody may open one. A page of an origin that is not
 * allowed may not: browsers let any page open sockets to anywhere (CORS does not hold for them).
 */
export async function openSocketRoute(server: UserContext): Promise<void> {
  const { app, config, metrics, log } = server;
  const messages = new Counter({
    name: 'muniment_socket_messages_total',
    help: 'Messages over sockets by channel and outcome (a code of the error catalogue).',
    labelNames: ['channel', 'outcome'],
    registers: [metrics],
  });
  const sockets = createSockets({
    answer: createMessages(server),
    log,
    onAnswer: ({ channel, outcome }) => messages.inc({ channel, outcome }),
  });
  new Gauge({
    name: 'muniment_sockets',
    help: 'Sockets that this replica serves.',
    registers: [metrics],
    collect() {
      this.set(sockets.size());
    },
  });
  const origins = new Set(ownOrigins(config));

  await app.register(websocket, {
    options: socketOptions,
    // What breaks the protocol (too large, no UTF-8) ws answers with its own close code; there is nobody else to tell.
    errorHandler: (error, socket) => {
      if (!('code' in error && String(error.code).startsWith('WS_ERR_'))) socket.terminate();
    },
    preClose(done) {
      const { websocketServer } = app;
      void sockets.stop().finally(() => websocketServer.close(() => done()));
    },
  });
  app.route({
    method: 'GET',
    url: '/ws',
    exposeHeadRoute: false,
    config: { operation: 'socket.open', access: 'public' },
    preHandler: async (request) => {
      if (!request.ws)
        throw Object.assign(new UpgradeRequired(), { headers: { upgrade: 'websocket' } });
      const { origin } = request.headers;
      if (origin !== undefined && !origins.has(origin)) throw new OriginRefused();
      if (sockets.size() >= config.SOCKET_MAX)
        throw Object.assign(new SocketCapacity(), { retryAfter: 5 });
    },
    handler: async () => {
      throw new UpgradeRequired();
    },
    wsHandler: (socket, request) => sockets.open(socket, request),
  });
}
