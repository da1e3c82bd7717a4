import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type Test } from 'tap';
import { requestChunks } from '../request-chunks.ts';

/** A request whose body the test writes, and the same request as the server sees it. */
async function exchange(t: Test): Promise<{ client: ReturnType<typeof request>; body: IncomingMessage; answer: ServerResponse }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = request({ port: (server.address() as AddressInfo).port, method: 'POST' });
  client.on('error', () => undefined);
  client.flushHeaders();
  const [body, answer]: [IncomingMessage, ServerResponse] = await once(server, 'request') as [IncomingMessage, ServerResponse];
  t.teardown(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { client, body, answer };
}

async function readAll(chunks: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.length;
  return size;
}

const never = new AbortController().signal;

test('reads a body to its end, however slowly it is taken', async (t) => {
  const { client, body } = await exchange(t);
  client.end(Buffer.alloc(1_000_000));
  let size = 0;
  for await (const chunk of requestChunks(body, 200, never)) {
    size += chunk.length;
    // Longer than the client may be silent: it is not the client who is slow.
    if (size < 200_000) await new Promise((resolve) => setTimeout(resolve, 250));
  }
  t.equal(size, 1_000_000);
});

test('a client that goes away, one that is silent, and a failure elsewhere end the wait', async (t) => {
  const gone = await exchange(t);
  gone.client.write('x', () => setTimeout(() => gone.client.destroy(), 50));
  await t.rejects(readAll(requestChunks(gone.body, 5_000, never)), { code: 'UPLOAD_CUT_OFF' });

  const silent = await exchange(t);
  silent.client.write('x');
  await t.rejects(readAll(requestChunks(silent.body, 100, never)), { code: 'UPLOAD_TIMEOUT' });

  const failed = await exchange(t);
  const failure = new AbortController();
  setTimeout(() => failure.abort(new Error('elsewhere')), 50);
  await t.rejects(readAll(requestChunks(failed.body, 5_000, failure.signal)), { message: 'elsewhere' });
});

test('who stops reading early can still answer', async (t) => {
  const { client, body, answer } = await exchange(t);
  client.write(Buffer.alloc(500_000));
  for await (const chunk of requestChunks(body, 5_000, never)) if (chunk.length > 0) break;
  answer.end('enough');
  const [response]: IncomingMessage[] = await once(client, 'response');
  t.equal(response?.statusCode, 200);
});
