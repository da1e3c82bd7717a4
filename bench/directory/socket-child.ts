/** Sends the same message over sockets, as often as each may, and counts the right answers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SocketLoad } from './socket-load.ts';

/** A socket may send twenty messages a second, limits or not. */
const INTERVAL_MS = 1_000 / 18;

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error(`${url} refused`)), { once: true });
  });
  return socket;
}

function send(socket: WebSocket, message: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(String(data));
    socket.onclose = ({ code, reason }) =>
      reject(new Error(`A socket was closed: ${code} ${reason}`));
    socket.send(message);
  });
}

process.once('message', ({ url, message, expected, sockets, seconds }: SocketLoad) => {
  const until = performance.now() + seconds * 1_000;
  let answers = 0;
  const run = async (): Promise<void> => {
    const socket = await openSocket(url);
    for (let dueAt = performance.now(); dueAt < until; answers += 1) {
      await sleep(Math.max(1, dueAt - performance.now()));
      dueAt = Math.max(dueAt + INTERVAL_MS, performance.now());
      const answer = await send(socket, message);
      if (!answer.includes(expected)) throw new Error(`A socket answered ${answer}`);
    }
    socket.onclose = null;
    socket.close();
  };
  void Promise.all(Array.from({ length: sockets }, run)).then(() =>
    process.send?.(answers, () => process.exit(0)),
  );
});
