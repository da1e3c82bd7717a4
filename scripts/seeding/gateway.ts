import { setTimeout as sleep } from 'node:timers/promises';

const MAX_ATTEMPTS = 60;
const MAX_PAUSE_S = 30;

export interface Call {
  token?: string;
  json?: unknown;
  form?: FormData;
  /** A repetition under the same key acts once. */
  key?: string;
}

/** One request through the gateway. */
export type CallGateway = (method: string, path: string, call?: Call) => Promise<Response>;

/** A limit or an outage is waited for, as the answer asks. Any other refusal throws. */
export function createGateway(url: string): CallGateway {
  return async (method, path, { token, json, form, key } = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetch(url + path, {
        method,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        ...(json !== undefined ? { body: JSON.stringify(json) } : form ? { body: form } : {}),
      });
      if (answer.ok) return answer;
      const text = await answer.text();
      if (![429, 503].includes(answer.status) || attempt === MAX_ATTEMPTS)
        throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
      const seconds = Number(answer.headers.get('retry-after')) || 1;
      await sleep(Math.min(seconds, MAX_PAUSE_S) * 1_000);
    }
  };
}
