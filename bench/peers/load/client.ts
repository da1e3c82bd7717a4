import { createRequire } from 'node:module';
import { join } from 'node:path';
import { must } from './checks.ts';

const TIMEOUT_MS = 30_000;

export interface SentRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer | string | undefined;
}

/** The part of undici that is used. It is installed with the peers. */
interface Pool {
  request(
    request: SentRequest,
  ): Promise<{ statusCode: number; body: AsyncIterable<Buffer> & { text(): Promise<string> } }>;
  close(): Promise<void>;
}

export interface Answer {
  status: number;
  /** Empty for a file that was compared. */
  text: string;
}

export interface JsonOptions {
  headers?: Record<string, string>;
  json?: unknown;
  /** Whether a status from 300 on is an answer like another. */
  anyStatus?: boolean;
}

/** Connections to one target. */
export interface Client {
  /** Sends a request. @throws Error when the answer's bytes differ from `expected` */
  send(request: SentRequest, expected?: Buffer): Promise<Answer>;
  /** For preparing: sends JSON. @returns the parsed answer @throws Error from status 300 on */
  json(method: string, path: string, options?: JsonOptions): Promise<unknown>;
  close(): Promise<void>;
}

async function compare(body: AsyncIterable<Buffer>, expected: Buffer): Promise<void> {
  let length = 0;
  let same = true;
  for await (const chunk of body) {
    same &&= chunk.equals(expected.subarray(length, length + chunk.length));
    length += chunk.length;
  }
  must(
    same && length === expected.length,
    `wrong bytes: ${length} of ${expected.length}${same ? '' : ', content differs'}`,
  );
}

/** Opens a pool, with undici from the folder of its installed package. */
export function createClient(folder: string, url: string, connections: number): Client {
  const undici = createRequire(join(folder, 'package.json'))('undici') as {
    Pool: new (url: string, options: Record<string, number>) => Pool;
  };
  const pool = new undici.Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  const send: Client['send'] = async (request, expected) => {
    const { statusCode: status, body } = await pool.request(request);
    if (!expected || status >= 300) return { status, text: await body.text() };
    await compare(body, expected);
    return { status, text: '' };
  };
  return {
    send,
    async json(method, path, { headers = {}, json, anyStatus = false } = {}) {
      const answer = await send({
        method,
        path,
        headers: json === undefined ? headers : { 'content-type': 'application/json', ...headers },
        body: json === undefined ? undefined : JSON.stringify(json),
      });
      const { status, text } = answer;
      must(anyStatus || status < 300, `${method} ${path}: ${status} ${text.slice(0, 300)}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    close: () => pool.close(),
  };
}
