import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A connection to the gateway for raw bytes. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  await new Promise<void>((resolve, reject) =>
    socket.once('connect', resolve).once('error', reject),
  );
  socket.on('error', () => {
    /* told by 'close' */
  });
  return socket;
}

/** Reads one HTTP answer until the peer closes or is silent for `silentMs`. */
export async function readAnswer(socket: Socket, silentMs = 5_000): Promise<RawAnswer> {
  let text = '';
  socket.setTimeout(silentMs);
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket
      .once('close', () => resolve())
      .once('end', () => resolve())
      .once('timeout', () => resolve());
  });
  socket.destroy();
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body: text.slice(end + 4) };
}

/** Sends raw bytes. @returns the answer as `fetch` would give it */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<Response> {
  const socket = await openSocket(url);
  socket.write(bytes);
  const { status, headers, body } = await readAnswer(socket);
  if (status === 0) throw new Error('the connection ended without an answer');
  return new Response(body, { status, headers });
}
