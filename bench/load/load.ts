import { fork } from 'node:child_process';
import { join } from 'node:path';

export interface LoadRequest {
  method?: 'GET' | 'POST' | 'PATCH';
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** Paths that each connection asks for in turn, in the place of the URL's own. */
  requests?: { path: string }[];
  connections: number;
  seconds: number;
}

export interface LoadResult {
  /** Answers with a 2xx status. */
  ok: number;
  /** Other statuses, timeouts and broken connections. */
  failed: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Runs one load in its own process, so that it does not delay the measuring process. */
export async function load(request: LoadRequest): Promise<LoadResult> {
  const child = fork(join(import.meta.dirname, 'load-child.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as LoadResult));
    child.once('exit', (code) => reject(new Error(`The load process exited with ${code}.`)));
    child.send(request);
  });
}
