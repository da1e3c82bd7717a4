import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import websocket from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import { OriginRefused } from '@muniment/security';
import {
  defineRoute,
  ownOrigins,
  rawBody,
  rawProblem,
  type AnyRouteDefinition,
  type App,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { HandshakeMalformed, SocketCapacity, TooManySockets, UpgradeRequired } from '../errors.ts';
import { createMessages } from './answer-message.ts';
import { countMessages, measureSockets } from './socket-metrics.ts';
import { createSockets, type Sockets } from './sockets.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
/** Time for a client to answer a close. */
const CLOSE_TIMEOUT_MS = 1_000;
/** A variable, since @types/ws lacks the time-out. */
const SOCKET_OPTIONS = { maxPayload: MAX_MESSAGE_BYTES, closeTimeout: CLOSE_TIMEOUT_MS };
/** Those of ws. RFC 6455 §4.4 wants them named with a refusal. */
const SUPPORTED_VERSIONS = '13, 8';

async function registerSocket(app: App, context: UserContext): Promise<void> {
  const sockets = createSockets({
    answer: createMessages(context),
    log: context.http.log,
    onAnswer: countMessages(context.metrics),
    revalidate: context.auth.revalidate,
    max: context.config.SOCKET_MAX,
    maxPerNetwork: context.config.SOCKET_MAX_PER_NETWORK,
    firstMessageMs: context.config.SOCKET_FIRST_MESSAGE_MS,
  });
  measureSockets(context.metrics, sockets);
  await app.register(websocket, {
    options: SOCKET_OPTIONS,
    // ws answers broken protocol (too large, not UTF-8) by its own close code.
    errorHandler: (error, socket) => {
      if (!('code' in error && String(error.code).startsWith('WS_ERR_'))) socket.terminate();
    },
    // A handshake that comes later is answered too, and closed with 1012.
    preClose: (done) => void sockets.stop().finally(done),
  });
  const handshakes = new WeakMap<IncomingMessage, FastifyRequest>();
  answerHandshakeErrors(app, context, handshakes);
  defineSocketRoute(sockets, handshakes)(app, context);
}

/** ws itself would answer a handshake that breaks RFC 6455 by HTML. */
function answerHandshakeErrors(
  app: App,
  { http }: Pick<UserContext, 'http'>,
  handshakes: WeakMap<IncomingMessage, FastifyRequest>,
): void {
  app.websocketServer.on('wsClientError', (error, socket, handshake) => {
    const id = handshakes.get(handshake)?.id ?? randomBytes(16).toString('hex');
    const problem = http.problemOf(new HandshakeMalformed(error.message), id);
    socket.once('finish', () => socket.destroy());
    socket.end(rawProblem(problem, { 'sec-websocket-version': SUPPORTED_VERSIONS }));
  });
}

const definition: AnyRouteDefinition = {
  method: 'GET',
  url: '/ws',
  operation: 'web-socket.open_socket',
  summary: 'Open a WebSocket for the channels of the AsyncAPI document.',
  access: 'public',
  response: { 101: rawBody('The connection is a WebSocket from here on.') },
  errors: [HandshakeMalformed, OriginRefused, SocketCapacity, TooManySockets, UpgradeRequired],
};

const defineSocketRoute = (
  sockets: Sockets,
  handshakes: WeakMap<IncomingMessage, FastifyRequest>,
) =>
  defineRoute({
    ...definition,
    options: ({ config }: Pick<UserContext, 'config'>) => ({
      exposeHeadRoute: false,
      preHandler: async (request) => {
        handshakes.set(request.raw, request);
        admit(request, { config, sockets });
      },
      wsHandler: (socket, request) => sockets.open(socket, request),
    }),
    handler: () => async () => {
      throw new UpgradeRequired();
    },
  });

/** Checked here, since CORS does not cover WebSockets: any page may open one. */
function admit(
  request: FastifyRequest,
  { config, sockets }: { config: UserContext['config']; sockets: Sockets },
): void {
  if (!request.ws)
    throw Object.assign(new UpgradeRequired(), { headers: { upgrade: 'websocket' } });
  const { origin } = request.headers;
  if (origin !== undefined && !ownOrigins(config).includes(origin)) throw new OriginRefused();
  sockets.requireRoom(request);
}

/** Opens the WebSocket of seed 002 (RFC 6455). Each message is authenticated. */
export const openSocket = Object.assign(registerSocket, { definition });
