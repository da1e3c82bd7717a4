import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';

const LISTEN =
  "require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }," +
  ' function () { console.log(this.address().port); })';
const CONNECT_MS = 300;
const MAX_WAITING = 20;

/**
 * A port that neither accepts nor refuses, as the address of a container that vanished.
 * The listener is stopped and its queue full, so the kernel drops what else comes.
 */
export async function silentPort(t: Test): Promise<number> {
  const listener = spawn(process.execPath, ['-e', LISTEN], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // With --bail a test ends without its teardown.
  const kill = (): void => void listener.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(listener, 'exit').then(() => process.off('exit', kill));
  const [line] = (await once(listener.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  listener.kill('SIGSTOP');
  const waiting: Socket[] = [];
  t.teardown(async () => {
    for (const socket of waiting) socket.destroy();
    kill();
    await exited;
  });
  while (waiting.length < MAX_WAITING) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    waiting.push(socket);
    const accepted = once(socket, 'connect').then(() => true);
    const silence = new Promise<false>((resolve) => setTimeout(resolve, CONNECT_MS, false));
    if (!(await Promise.race([accepted, silence]))) return port;
  }
  throw new Error(`The port ${port} still accepts connections.`);
}
