import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Fault, isThrottle, type ProxyState } from './fault.ts';
import { forwardHttp } from './forward-http.ts';
import { pumpBytes } from './pump.ts';

export interface FaultProxy {
  port: number;
  url: string;
  mode: (fault: Fault) => void;
  stop: () => Promise<void>;
}

/** Starts a TCP proxy on 127.0.0.1 that makes PostgreSQL, Kinesis or S3 fail in tests. */
export async function startFaultProxy(options: {
  port?: number;
  target: { host: string; port: number };
}): Promise<FaultProxy> {
  const state: ProxyState = {
    fault: 'pass',
    target: options.target,
    sockets: new Set(),
    wakers: new Set(),
  };
  const http = createHttpServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
    forwardHttp(state, request, response).catch(() => response.destroy());
  });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (state.fault === 'refuse') client.resetAndDestroy();
    else bridge(state, client, (socket) => http.emit('connection', socket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of state.sockets) socket.resetAndDestroy();
  };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    mode: (fault) => {
      if (fault === 'refuse' || fault === 'cut') cut();
      state.fault = fault === 'cut' ? 'pass' : fault;
      for (const wake of state.wakers) wake();
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/** Connects a client with the target. `adopt` takes over a connection that is to be throttled. */
function bridge(state: ProxyState, client: Socket, adopt: (client: Socket) => void): void {
  const upstream = connect({ ...state.target, allowHalfOpen: true, noDelay: true });
  track(state, client);
  track(state, upstream);
  const stopForward = pumpBytes(state, { from: client, to: upstream }, (chunk) => {
    if (!isThrottle(state.fault) || !startsRequest(chunk)) return false;
    // A Kinesis client waits for each answer, so nothing is under way on the old connection.
    stopForward();
    stopBackward();
    upstream.destroy();
    client.unshift(chunk);
    adopt(client);
    return true;
  });
  const stopBackward = pumpBytes(state, { from: upstream, to: client }, () => false);
}

function track(state: ProxyState, socket: Socket): void {
  state.sockets.add(socket);
  socket.once('close', () => state.sockets.delete(socket));
  socket.on('error', () => {
    // A 'close' follows, which is forwarded.
  });
}

function startsRequest(chunk: Buffer): boolean {
  return /^[A-Z]+ \S+ HTTP\/1\.[01]\r\n/.test(chunk.toString('latin1', 0, 4096));
}
