import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { S3Error } from './protocol/errors.ts';
import {
  closeStore,
  createBucket,
  deleteLeftovers,
  openStore,
  type Store,
} from './store/bucket-store.ts';
import { readRequest, type Answer } from './operations/request.ts';
import { sendObject } from './operations/send-object.ts';
import { findOperation } from './router.ts';
import type { Credentials } from './protocol/signature.ts';
import { errorDocument } from './protocol/xml.ts';

export interface S3Options extends Credentials {
  /** 0 or absent: a free port. */
  port?: number;
  /** Folder of all objects, created when absent. One server at a time may use it. */
  dir: string;
  /** Buckets to create when absent. */
  buckets?: string[];
  /** False omits fsync, for tests: a power cut may then lose an object. Default true. */
  durable?: boolean;
}

export interface S3Server {
  endpoint: string;
  port: number;
  /** Drains running requests for at most 5 s, then frees the port. */
  stop(): Promise<void>;
}

const IDLE_SOCKET_MS = 120_000;
const DRAIN_TIMEOUT_MS = 5_000;

/**
 * Starts a small S3 server for LOCAL USE ONLY: one user, 127.0.0.1, plain HTTP, path-style.
 * Versions, ACLs, tags and encryption are answered by NotImplemented.
 */
export async function startS3(options: S3Options): Promise<S3Server> {
  const store = await openStore(options.dir, options.durable ?? true);
  for (const name of options.buckets ?? [])
    if (!store.buckets.has(name)) await createBucket(store, name);
  const serve = (incoming: IncomingMessage, response: ServerResponse): void =>
    void handle(incoming, response, store, options);
  // No limit on a whole request, since a large upload takes long. A silent socket is cut instead.
  const server = createServer(
    { requestTimeout: 0, keepAliveTimeout: 75_000, noDelay: true },
    serve,
  );
  server.on('checkContinue', serve);
  server.setTimeout(IDLE_SOCKET_MS);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening').catch(async (error: unknown) => {
    await closeStore(store);
    throw error;
  });
  await deleteLeftovers(store);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      // Repeated: a connection becomes idle when its answer ends, and would hold the server open.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
      await closeStore(store);
    },
  };
}

async function handle(
  incoming: IncomingMessage,
  response: ServerResponse,
  store: Store,
  credentials: Credentials,
): Promise<void> {
  const requestId = randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase();
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader('server', 'muniment-local-s3');
  try {
    const request = readRequest(incoming, response, store, credentials);
    await send(response, await findOperation(request)(request));
  } catch (error) {
    sendError(incoming, response, error, requestId);
  } finally {
    // Node does not drain a body that was half read, and the next request on the socket would hang.
    incoming.resume();
  }
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const xml =
    answer.xml === undefined
      ? {}
      : { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(answer.xml) };
  response.writeHead(answer.status ?? 200, {
    ...(answer.status === undefined && !answer.file && !answer.xml ? { 'content-length': 0 } : {}),
    ...answer.headers,
    ...xml,
  });
  if (!answer.file) {
    response.end(answer.xml);
    return;
  }
  await sendObject(response, answer.file.object, answer.file.extents);
}

function sendError(
  incoming: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  requestId: string,
): void {
  // The client is gone or the answer half sent: only a cut connection still tells of the error.
  if (response.headersSent || incoming.errored || response.destroyed) {
    response.destroy();
    return;
  }
  const known = error instanceof S3Error ? error : new S3Error('InternalError');
  if (known !== error)
    console.error(
      `S3 request ${requestId} ${incoming.method} ${incoming.url?.split('?')[0]} failed:`,
      error,
    );
  const body =
    incoming.method === 'HEAD'
      ? ''
      : errorDocument(known, incoming.url?.split('?')[0] ?? '', requestId);
  response.writeHead(known.status, {
    'content-type': 'application/xml',
    ...(incoming.method === 'HEAD' ? {} : { 'content-length': Buffer.byteLength(body) }),
    ...(known.code === 'InvalidRange'
      ? { 'content-range': `bytes */${known.fields['ActualObjectSize']}` }
      : {}),
    // A client that was not told to continue may still send its body.
    ...(incoming.headers.expect && !incoming.readableEnded ? { connection: 'close' } : {}),
  });
  response.end(body);
}
