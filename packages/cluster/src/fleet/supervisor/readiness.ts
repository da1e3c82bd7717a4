import { get } from 'node:http';
import { connect } from 'node:net';
import { isReady as postgresIsReady } from '../../postgres/postgres-command.ts';
import type { ProcessSpec } from './plan.ts';

/** Whether a process takes work now; an answer that needs more than two seconds counts as no. */
export function isReady(ready: ProcessSpec['ready'], pid: number): Promise<boolean> {
  if ('postgres' in ready) return Promise.resolve(postgresIsReady(ready.postgres, pid));
  if ('tcp' in ready) return accepts(ready.tcp);
  return answers(ready.http);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2000 });
    const done = (result: boolean) => () => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false));
  });
}

// Not fetch: status asks a dozen processes in one short-lived program, and undici alone costs 50 ms to load.
function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy()).once('error', () => resolve(false));
  });
}
