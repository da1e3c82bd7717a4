import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ResourceInUseException,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import kinesalite from 'kinesalite';
import { mkdirSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Credentials } from '../s3/protocol/signature.ts';
import { findRefusal, sendRefusal } from './find-refusal.ts';

const DRAIN_TIMEOUT_MS = 1_000;
const ANYBODY: Credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

export interface KinesisOptions {
  /** Default: a free port. */
  port?: number;
  /** Folder of the records (leveldb). Absent: in memory. */
  path?: string;
  /** Created when absent. */
  streams?: { name: string; shards: number }[];
  /** Who may use it. Absent, for tests: everybody on this machine. */
  credentials?: readonly Credentials[];
}

export interface RunningKinesis {
  endpoint: string;
  port: number;
  stop(): Promise<void>;
}

/** Starts kinesalite, a Kinesis server, and waits for its streams. It never throttles. */
export async function startKinesis(options: KinesisOptions = {}): Promise<RunningKinesis> {
  if (options.path !== undefined) mkdirSync(options.path, { recursive: true, mode: 0o700 });
  const server = kinesalite({
    createStreamMs: 5,
    deleteStreamMs: 5,
    updateStreamMs: 5,
    shardLimit: 100,
    ...(options.path === undefined ? {} : { path: options.path }),
  });
  // Kinesalite closes its store under running requests, whose errors nothing can catch.
  const unanswered = new Set<ServerResponse>();
  let stopping = false;
  // Kinesalite looks at signatures and verifies none.
  const [answer] = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (stopping) return void request.socket.destroy();
    unanswered.add(response);
    response.once('close', () => unanswered.delete(response));
    const refusal = options.credentials && findRefusal(request, options.credentials);
    if (!refusal) return answer?.(request, response);
    request.resume();
    sendRefusal(response, refusal);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new TypeError('kinesalite does not listen on TCP.');
  const endpoint = `http://127.0.0.1:${address.port}`;
  const [credentials = ANYBODY] = options.credentials ?? [];
  for (const stream of options.streams ?? []) await createStream(endpoint, stream, credentials);
  return {
    endpoint,
    port: address.port,
    async stop() {
      stopping = true;
      for (let waited = 0; unanswered.size > 0 && waited < DRAIN_TIMEOUT_MS; waited += 5)
        await sleep(5);
      await new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        // A client that keeps its connection open must not delay the stop.
        server.closeAllConnections();
      });
    },
  };
}

async function createStream(
  endpoint: string,
  stream: { name: string; shards: number },
  credentials: Credentials,
): Promise<void> {
  const client = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials,
    // The SDK's default is HTTP/2, which kinesalite does not speak (ERR_HTTP2_ERROR).
    requestHandler: new NodeHttpHandler({ connectionTimeout: 1000, requestTimeout: 5000 }),
  });
  try {
    await client
      .send(new CreateStreamCommand({ StreamName: stream.name, ShardCount: stream.shards }))
      .catch((error: unknown) => {
        if (!(error instanceof ResourceInUseException)) throw error;
      });
    const describe = new DescribeStreamSummaryCommand({ StreamName: stream.name });
    while ((await client.send(describe)).StreamDescriptionSummary?.StreamStatus !== 'ACTIVE')
      await sleep(5);
  } finally {
    client.destroy();
  }
}
