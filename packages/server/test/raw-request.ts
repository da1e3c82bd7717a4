import { once } from 'node:events';
import { connect } from 'node:net';
import type { App } from '../src/index.ts';

/** Listens on a free port of the loopback and answers which. */
export async function listen(app: App): Promise<number> {
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
}

/** Sends bytes as they are and reads the answer to its end. */
export async function raw(
  port: number,
  bytes: string,
): Promise<{ statusCode: number; headers: Record<string, string>; body: string }> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  socket.write(bytes);
  await once(socket, 'close');
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]),
  );
  return { statusCode: Number(statusLine.split(' ')[1]), headers, body };
}
