import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface Received {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export type Answer = (received: Received, response: ServerResponse) => void;

export interface Receiver {
  /** `127.0.0.1:port` */
  host: string;
  port: number;
  received: Received[];
  /** How requests are answered from now on. */
  answer: Answer;
  /** Requests that were answered at the same time, at most. */
  atOnce: number;
}

/** An endpoint as a customer runs one; with `tls` by HTTPS. */
export async function startReceiver(
  t: Test,
  tls?: { key: string; cert: string },
): Promise<Receiver> {
  const receiver: Receiver = {
    host: '',
    port: 0,
    received: [],
    answer: (_, response) => void response.writeHead(204).end(),
    atOnce: 0,
  };
  let now = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    now += 1;
    receiver.atOnce = Math.max(receiver.atOnce, now);
    response.once('close', () => {
      now -= 1;
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const received = {
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    receiver.received.push(received);
    receiver.answer(received, response);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void take(request, response).catch(() => {});
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  receiver.port = (server.address() as AddressInfo).port;
  receiver.host = `127.0.0.1:${receiver.port}`;
  return receiver;
}
