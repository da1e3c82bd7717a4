import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { S3Error } from './protocol/errors.ts';
import { createBucket, openStore, removeLeftovers, type Store } from './store/object-store.ts';
import { readRequest, type Answer } from './operations/request.ts';
import { findOperation } from './router.ts';
import type { Credentials } from './protocol/signature.ts';
import { errorDocument } from './protocol/xml.ts';

export type S3Options = Credentials & {
  /** 0 or absent: any free port. */
  port?: number;
  /** Folder for all objects, made when absent; one server at a time. */
  dir: string;
  /** Buckets to make when absent. */
  buckets?: string[];
  /** false leaves out fsync (for tests): an object is still never torn, but a power cut may lose it. Default true. */
  durable?: boolean;
};

export type S3Server = { endpoint: string; port: number; stop(): Promise<void> };

/** Node's default of 64 KiB gives about half the throughput of this on a loopback GET. */
const readBytes = 1024 ** 2;
const idleSocketMs = 120_000;
const drainMs = 5_000;

/**
 * Starts a small S3 server for LOCAL USE ONLY (development and tests): one user, one process, 127.0.0.1, plain HTTP,
 * path-style. It keeps S3's promises on signatures, checksums, conditions and durability, and answers NotImplemented for
 * what it does not have (versions, ACLs, tags, encryption, ...).
 * `stop()` lets running requests end (at most 5 s) and frees the port.
 */
export async function startS3(options: S3Options): Promise<S3Server> {
  const store = await openStore(options.dir, options.durable ?? true);
  for (const name of options.buckets ?? [])
    if (!store.buckets.has(name)) await createBucket(store, name);
  const serve = (incoming: IncomingMessage, response: ServerResponse): void =>
    void handle(incoming, response, store, options);
  // No limit on a whole request: an upload takes as long as it takes. A silent socket is cut instead.
  const server = createServer(
    { requestTimeout: 0, keepAliveTimeout: 75_000, noDelay: true },
    serve,
  );
  server.on('checkContinue', serve);
  server.setTimeout(idleSocketMs);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  await removeLeftovers(store);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      // Again and again: a connection whose answer ends later is kept alive by then, and would hold the server open.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const cut = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

async function handle(
  incoming: IncomingMessage,
  response: ServerResponse,
  store: Store,
  credentials: Credentials,
): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader('server', 'muniment-local-s3');
  try {
    const request = readRequest(incoming, response, store, credentials);
    await send(response, await findOperation(request)(request));
  } catch (error) {
    sendError(incoming, response, error, requestId);
  } finally {
    // Node drains a body that nobody began to read, not one half read; without this the next request on the socket hangs.
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
  const { handle: file, start, end } = answer.file;
  await pipeline(file.createReadStream({ start, end, highWaterMark: readBytes }), response);
}

function sendError(
  incoming: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  requestId: string,
): void {
  // The client went away, or the answer is half sent: cutting the connection is the only honest sign left.
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
    // A client that was not told to continue may or may not send its body: what follows on this socket is unknown.
    ...(incoming.headers.expect && !incoming.readableEnded ? { connection: 'close' } : {}),
  });
  response.end(body);
}
