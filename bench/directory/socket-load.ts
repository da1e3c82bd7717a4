import { fork } from 'node:child_process';
import { join } from 'node:path';

export interface SocketLoad {
  url: string;
  message: string;
  /** What each answer holds. */
  expected: string;
  sockets: number;
  seconds: number;
}

/** Loads sockets from a process of its own. @returns the number of answers */
export async function loadSockets(load: SocketLoad): Promise<number> {
  const child = fork(join(import.meta.dirname, 'socket-child.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (answers) => resolve(answers as number));
    child.once('exit', (code) => reject(new Error(`The load process exited with ${code}.`)));
    child.send(load);
  });
}
