import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * - `pass`: forwards.
 * - `refuse`: cuts what is open and resets new connections at once.
 * - `cut`: resets what is open, once; new connections pass.
 * - `blackhole`: accepts, forwards nothing in either direction, not even a close; what was held flows on afterwards.
 * - `delayMs`: each chunk is that late, in both directions, in order.
 * - `throttle: 'kinesis'`: GetRecords, PutRecord and PutRecords fail as a shard over its limit does, with `probability`
 *   (default 1, or 0 when `partial` is given); with `partial`, each record of a PutRecords fails with that probability.
 *   With `actions`, these fail instead: those that are no reading or writing of a shard as a caller over its own limit does.
 */
export type Fault = 'pass' | 'refuse' | 'cut' | 'blackhole' | { delayMs: number } | KinesisThrottle;

export type KinesisThrottle = {
  throttle: 'kinesis';
  probability?: number;
  partial?: number;
  actions?: readonly string[];
};

export type FaultProxy = {
  port: number;
  url: string;
  mode: (fault: Fault) => void;
  stop: () => Promise<void>;
};

type State = {
  fault: Exclude<Fault, 'cut'>;
  target: { host: string; port: number };
  sockets: Set<Socket>;
  /** Called whenever the fault changes. */
  wakers: Set<() => void>;
};

/** Held per direction before its sender is paused; with a delay this bounds throughput to 4 MiB per delay. */
const maxHeldBytes = 4 * 1024 ** 2;

/** Starts a TCP proxy on 127.0.0.1 that tests put in front of PostgreSQL, Kinesis or S3 to make them fail. */
export async function startFaultProxy(options: {
  port?: number;
  target: { host: string; port: number };
}): Promise<FaultProxy> {
  const state: State = {
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

function bridge(state: State, client: Socket, adopt: (client: Socket) => void): void {
  const upstream = connect({ ...state.target, allowHalfOpen: true, noDelay: true });
  track(state, client);
  track(state, upstream);
  const stopForward = pump(state, client, upstream, (chunk) => {
    if (!isThrottle(state.fault) || !startsRequest(chunk)) return false;
    // From here on the connection is HTTP's. A client of Kinesis sends no request before it has the last answer, so
    // nothing is under way on the old connection.
    stopForward();
    stopBackward();
    upstream.destroy();
    client.unshift(chunk);
    adopt(client);
    return true;
  });
  const stopBackward = pump(state, upstream, client, () => false);
}

function track(state: State, socket: Socket): void {
  state.sockets.add(socket);
  socket.once('close', () => state.sockets.delete(socket));
  socket.on('error', () => {
    /* a 'close' follows, and that is passed on */
  });
}

/** Moves bytes one way under the current fault. `divert` may take a chunk and the connection away. Answers how to stop. */
function pump(
  state: State,
  from: Socket,
  to: Socket,
  divert: (chunk: Buffer) => boolean,
): () => void {
  const held: { at: number; item: Buffer | 'end' | 'reset' }[] = [];
  let heldBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let blocked = false;

  const push = (item: Buffer | 'end' | 'reset'): void => {
    held.push({ at: Date.now(), item });
    if (item instanceof Buffer && (heldBytes += item.length) > maxHeldBytes) from.pause();
    flush();
  };
  const flush = (): void => {
    clearTimeout(timer);
    while (!blocked && held[0] && state.fault !== 'blackhole') {
      const { at, item } = held[0];
      const wait =
        at +
        (typeof state.fault === 'object' && 'delayMs' in state.fault ? state.fault.delayMs : 0) -
        Date.now();
      if (wait > 0) {
        timer = setTimeout(flush, wait);
        return;
      }
      held.shift();
      if (item === 'end') to.end();
      else if (item === 'reset') to.resetAndDestroy();
      else {
        heldBytes -= item.length;
        blocked = !to.write(item);
      }
    }
    if (heldBytes <= maxHeldBytes) from.resume();
  };
  const onData = (chunk: Buffer): void => {
    if (held.length > 0 || !divert(chunk)) push(chunk);
  };
  let ended = false;
  const onEnd = (): void => {
    ended = true;
    push('end');
  };
  // After an orderly end there is nothing left to say, and a reset could discard what the other side still writes out.
  const onClose = (hadError: boolean): void => {
    if (hadError || !ended) push('reset');
  };
  const onDrain = (): void => {
    blocked = false;
    flush();
  };
  from.on('data', onData).once('end', onEnd).once('close', onClose);
  to.on('drain', onDrain);
  state.wakers.add(flush);
  const stop = (): void => {
    clearTimeout(timer);
    state.wakers.delete(flush);
    from.off('data', onData).off('end', onEnd).off('close', onClose);
    to.off('drain', onDrain);
  };
  to.once('close', stop);
  return stop;
}

function isThrottle(fault: Fault): fault is KinesisThrottle {
  return typeof fault === 'object' && 'throttle' in fault;
}

function startsRequest(chunk: Buffer): boolean {
  return /^[A-Z]+ \S+ HTTP\/1\.[01]\r\n/.test(chunk.toString('latin1', 0, 4096));
}

async function forwardHttp(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readAll(request);
  await passTime(state);
  const { fault } = state;
  const action =
    String(request.headers['x-amz-target'] ?? '')
      .split('.')
      .at(-1) ?? '';
  if (isThrottle(fault) && (fault.actions ?? SHARD_ACTIONS).includes(action)) {
    if (Math.random() < (fault.probability ?? (fault.partial === undefined ? 1 : 0))) {
      answerJson(response, 400, {
        __type: SHARD_ACTIONS.includes(action)
          ? 'ProvisionedThroughputExceededException'
          : 'LimitExceededException',
        message: throttleMessage,
      });
      return;
    }
    if (action === 'PutRecords' && fault.partial !== undefined) {
      await putSomeRecords(state, request, response, body, fault.partial);
      return;
    }
  }
  const answer = await send(state, request, body);
  await passTime(state);
  response.writeHead(answer.status, answer.headers).end(answer.body);
}

const SHARD_ACTIONS: readonly string[] = ['GetRecords', 'PutRecord', 'PutRecords'];
const throttleMessage = 'Rate exceeded for shard shardId-000000000000 in stream under test.';

type PutRecordsAnswer = { FailedRecordCount: number; Records: object[] };

/** Sends on a part of the records and reports the others as throttled, each result at its record's place. */
async function putSomeRecords(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  probability: number,
): Promise<void> {
  const input: { Records: object[] } = JSON.parse(body.toString());
  const refused = input.Records.map(() => Math.random() < probability);
  const passed = input.Records.filter((_, i) => !refused[i]);
  let results: PutRecordsAnswer = { FailedRecordCount: 0, Records: [] };
  if (passed.length > 0) {
    const answer = await send(
      state,
      request,
      Buffer.from(JSON.stringify({ ...input, Records: passed })),
    );
    if (answer.status !== 200) {
      response.writeHead(answer.status, answer.headers).end(answer.body);
      return;
    }
    results = JSON.parse(answer.body.toString());
  }
  const accepted = results.Records.values();
  answerJson(response, 200, {
    ...results,
    FailedRecordCount: results.FailedRecordCount + refused.filter(Boolean).length,
    Records: refused.map((no) =>
      no
        ? { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: throttleMessage }
        : accepted.next().value,
    ),
  });
}

function answerJson(response: ServerResponse, status: number, value: object): void {
  const body = Buffer.from(JSON.stringify(value));
  response
    .writeHead(status, {
      'content-type': 'application/x-amz-json-1.1',
      'content-length': body.length,
      'x-amzn-requestid': randomUUID(),
    })
    .end(body);
}

async function send(
  state: State,
  request: IncomingMessage,
  body: Buffer,
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }> {
  const { 'transfer-encoding': _, connection: __, expect: ___, ...headers } = request.headers;
  const outgoing = httpRequest({
    ...state.target,
    agent: false,
    path: request.url,
    method: request.method,
    headers: { ...headers, 'content-length': body.length },
  });
  outgoing.end(body);
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
  if (!incoming) throw new Error('no response');
  const answer = await readAll(incoming);
  const { 'transfer-encoding': ____, connection: _____, ...answerHeaders } = incoming.headers;
  return {
    status: incoming.statusCode ?? 502,
    headers: { ...answerHeaders, 'content-length': String(answer.length) },
    body: answer,
  };
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The delay or the blackhole on a connection that HTTP has taken over; cuts reach it as any socket. */
async function passTime(state: State): Promise<void> {
  while (state.fault === 'blackhole') {
    await new Promise<void>((wake) => {
      const once_ = (): void => {
        state.wakers.delete(once_);
        wake();
      };
      state.wakers.add(once_);
    });
  }
  if (typeof state.fault === 'object' && 'delayMs' in state.fault) await sleep(state.fault.delayMs);
}
