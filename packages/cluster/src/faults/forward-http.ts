import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayOf, isThrottle, type KinesisThrottle, type ProxyState } from './fault.ts';

const SHARD_ACTIONS: readonly string[] = ['GetRecords', 'PutRecord', 'PutRecords'];
const SHARD_ERROR = 'ProvisionedThroughputExceededException';
const CALLER_ERROR = 'LimitExceededException';
const MESSAGE = 'Rate exceeded for shard shardId-000000000000 in stream under test.';

interface HttpAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

interface PutRecordsAnswer {
  FailedRecordCount: number;
  Records: object[];
}

/** Forwards a request of a throttled connection, or answers it as Kinesis over a limit does. */
export async function forwardHttp(
  state: ProxyState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readAll(request);
  await untilForwarding(state);
  const { fault } = state;
  const action =
    String(request.headers['x-amz-target'] ?? '')
      .split('.')
      .at(-1) ?? '';
  const throttle =
    isThrottle(fault) && (fault.actions ?? SHARD_ACTIONS).includes(action) ? fault : undefined;
  if (throttle && Math.random() < requestProbability(throttle)) {
    const error = SHARD_ACTIONS.includes(action) ? SHARD_ERROR : CALLER_ERROR;
    answerJson(response, 400, { __type: error, message: MESSAGE });
    return;
  }
  if (throttle?.partial !== undefined && action === 'PutRecords') {
    const forward = (part: Buffer): Promise<HttpAnswer> => sendUpstream(state, request, part);
    await putSomeRecords(response, { body, probability: throttle.partial, forward });
    return;
  }
  const answer = await sendUpstream(state, request, body);
  await untilForwarding(state);
  response.writeHead(answer.status, answer.headers).end(answer.body);
}

function requestProbability({ probability, partial }: KinesisThrottle): number {
  return probability ?? (partial === undefined ? 1 : 0);
}

/** Forwards some records and reports the others as throttled, each result at its record's place. */
async function putSomeRecords(
  response: ServerResponse,
  {
    body,
    probability,
    forward,
  }: { body: Buffer; probability: number; forward(body: Buffer): Promise<HttpAnswer> },
): Promise<void> {
  const input: { Records: object[] } = JSON.parse(body.toString());
  const isThrottled = input.Records.map(() => Math.random() < probability);
  const forwarded = input.Records.filter((_, i) => !isThrottled[i]);
  let results: PutRecordsAnswer = { FailedRecordCount: 0, Records: [] };
  if (forwarded.length > 0) {
    const answer = await forward(Buffer.from(JSON.stringify({ ...input, Records: forwarded })));
    if (answer.status !== 200) {
      response.writeHead(answer.status, answer.headers).end(answer.body);
      return;
    }
    results = JSON.parse(answer.body.toString());
  }
  const accepted = results.Records.values();
  answerJson(response, 200, {
    ...results,
    FailedRecordCount: results.FailedRecordCount + isThrottled.filter(Boolean).length,
    Records: isThrottled.map((throttled) =>
      throttled ? { ErrorCode: SHARD_ERROR, ErrorMessage: MESSAGE } : accepted.next().value,
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

async function sendUpstream(
  state: ProxyState,
  request: IncomingMessage,
  body: Buffer,
): Promise<HttpAnswer> {
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
  if (!incoming) throw new Error('The target sent no response.');
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

/** Applies a delay or a blackhole to a connection that HTTP has taken over. */
async function untilForwarding(state: ProxyState): Promise<void> {
  while (state.fault === 'blackhole') {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        state.wakers.delete(wake);
        resolve();
      };
      state.wakers.add(wake);
    });
  }
  const delayMs = delayOf(state);
  if (delayMs > 0) await sleep(delayMs);
}
