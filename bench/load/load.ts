import { fork } from 'node:child_process';
import { join } from 'node:path';

export interface LoadRequest {
  method?: 'GET' | 'POST' | 'PATCH';
  url: string;
  headers?: Record<string, string>;
  body?: string;
  connections: number;
  seconds: number;
}

export interface LoadResult {
  /** Answers with the status that was expected. */
  ok: number;
  /** Every other outcome: another status, a time-out, a broken connection. */
  failed: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Runs one load in a process of its own, so that the measuring process's own work does not wait behind it. Bounded in time and connections. */
export async function load(request: LoadRequest): Promise<LoadResult> {
  const child = fork(join(import.meta.dirname, 'load-child.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as LoadResult));
    child.once('exit', (code) => reject(new Error(`the load ended with ${code}`)));
    child.send(request);
  });
}
