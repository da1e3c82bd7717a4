import { Agent, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Document } from './documents.ts';

const MAX_ATTEMPTS = 60;
const MAX_PAUSE_S = 30;
/** Nothing was done. */
const REFUSED = [429, 503];
/** Nobody knows what was done. */
const UNCERTAIN = [502, 504];
const BOUNDARY = '----muniment-seed';

export interface Call {
  token?: string;
  json?: unknown;
  /** Sent as a form. */
  file?: Document;
  /** A repetition under the same key acts once. */
  key?: string;
}

/** One person's connection to the gateway. */
export interface Caller {
  /** One request. @returns the body of the answer, which is a success */
  call(method: string, path: string, call?: Call): Promise<Buffer>;
  close(): void;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface Encoded {
  type?: string;
  body: Buffer;
}

function encode({ json, file }: Call): Encoded {
  if (json !== undefined)
    return { type: 'application/json', body: Buffer.from(JSON.stringify(json)) };
  if (!file) return { body: Buffer.alloc(0) };
  const head =
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="${file.name}"\r\n` +
    `content-type: ${file.type}\r\n\r\n`;
  return {
    type: `multipart/form-data; boundary=${BOUNDARY}`,
    body: Buffer.concat([Buffer.from(head), file.render(), Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]),
  };
}

function send(
  agent: Agent,
  url: URL,
  { method, headers, body }: { method: string; headers: OutgoingHttpHeaders; body: Buffer },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers, family: 4 }, (answer) => {
      const { statusCode: status = 0, headers: answered } = answer;
      buffer(answer).then((read) => resolve({ status, headers: answered, body: read }), reject);
    });
    sent.on('error', reject).end(body);
  });
}

/**
 * Connects from an address of the loopback: the gateway limits requests by address, and the trail
 * shows it. A limit or an outage is waited for, as the answer asks. Any other refusal throws.
 */
export function openCaller(
  gateway: string,
  { ip, userAgent }: { ip: string; userAgent: string },
): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: ip });
  return {
    async call(method, path, call = {}) {
      const { type, body } = encode(call);
      const headers = {
        'user-agent': userAgent,
        'content-length': body.length,
        ...(type !== undefined && { 'content-type': type }),
        ...(call.token !== undefined && { authorization: `Bearer ${call.token}` }),
        ...(call.key !== undefined && { 'idempotency-key': call.key }),
      };
      for (let attempt = 1; ; attempt += 1) {
        const answer = await send(agent, new URL(path, gateway), { method, headers, body });
        if (answer.status < 300) return answer.body;
        const isSafe = method === 'GET' || call.key !== undefined;
        const passing = isSafe ? [...REFUSED, ...UNCERTAIN] : REFUSED;
        if (!passing.includes(answer.status) || attempt === MAX_ATTEMPTS)
          throw new Error(`${method} ${path} answered ${answer.status}: ${String(answer.body)}`);
        const seconds = Number(answer.headers['retry-after']) || 1;
        await sleep(Math.min(seconds, MAX_PAUSE_S) * 1_000);
      }
    },
    close: () => agent.destroy(),
  };
}
