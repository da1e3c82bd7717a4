import { get } from 'node:http';
import { connect } from 'node:net';
import { isReady as postgresIsReady } from '../../postgres/postgres-command.ts';
import type { Readiness } from './plan.ts';

const PROBE_TIMEOUT_MS = 2_000;

/** Whether a process takes work now. No answer within two seconds counts as no. */
export function isReady(ready: Readiness, pid: number): Promise<boolean> {
  if ('postgres' in ready) return Promise.resolve(postgresIsReady(ready.postgres, pid));
  if ('tcp' in ready) return isListening(ready.tcp);
  return answersOk(ready.http);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: PROBE_TIMEOUT_MS });
    const done = (result: boolean) => () => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false));
  });
}

// Not fetch: loading undici costs 50 ms, and `make status` lives shortly.
function answersOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy()).once('error', () => resolve(false));
  });
}
