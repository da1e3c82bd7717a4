/**
 * Stands in for MinIO in `make test-docker`: behind one port a small S3 server for each user, who
 * sees the buckets of their policy. Not there: object lock, and every other part of a policy.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { startS3, type S3Server } from '@muniment/cluster';
import { readFirstRequest } from './store-request.ts';

interface State {
  buckets: string[];
  policies: Record<string, string>;
  users: Record<string, { password: string; policy?: string }>;
}

const DATA = process.env.DATA ?? '/data';
const STATE_FILE = `${DATA}/stand-in.json`;
const PORT = Number(process.env.PORT ?? 9000);

const secret = (name: string): string =>
  readFileSync(process.env[name] ?? `no ${name}`, 'utf8').trimEnd();
const root = { user: secret('MINIO_ROOT_USER_FILE'), password: secret('MINIO_ROOT_PASSWORD_FILE') };
const rootHeader = `Basic ${Buffer.from(`${root.user}:${root.password}`).toString('base64')}`;

const state: State = ((): State => {
  try {
    return JSON.parse(readFileSync(STATE_FILE, 'utf8')) as State;
  } catch {
    return { buckets: [], policies: {}, users: {} };
  }
})();
const servers = new Map<string, S3Server>();

/** Starts the server of each user who has a policy. */
async function startServers(): Promise<void> {
  for (const [user, { password, policy = '' }] of Object.entries(state.users)) {
    const named = [...(state.policies[policy] ?? '').matchAll(/arn:aws:s3:::([^/"*]+)/g)];
    const buckets = [...new Set(named.map(([, bucket = '']) => bucket))];
    if (servers.has(user) || !buckets.some((bucket) => state.buckets.includes(bucket))) continue;
    servers.set(
      user,
      await startS3({
        dir: `${DATA}/${user}`,
        accessKeyId: user,
        secretAccessKey: password,
        buckets: buckets.filter((bucket) => state.buckets.includes(bucket)),
      }),
    );
  }
}

/** What `mc` asks for. @returns the status and the text of the answer */
async function administer(path: string, body: Record<string, string>): Promise<[number, string]> {
  const { bucket = '', user = '', password = '', policy = '', document = '' } = body;
  if (path === '/stand-in/bucket') state.buckets = [...new Set([...state.buckets, bucket])];
  else if (path === '/stand-in/user') state.users[user] = { ...state.users[user], password };
  else if (path === '/stand-in/policy') state.policies[policy] = document;
  else if (path === '/stand-in/attach') {
    const known = state.users[user];
    if (!known || state.policies[policy] === undefined) return [404, 'no such user or policy'];
    if (known.policy === policy) return [409, 'the policy is attached already'];
    state.users[user] = { ...known, policy };
  } else if (path === '/stand-in/entities') return [200, state.users[user]?.policy ?? ''];
  else if (path !== '/stand-in/verify') return [404, 'unknown'];
  writeFileSync(STATE_FILE, JSON.stringify(state));
  await startServers();
  return [200, ''];
}

async function readBody(request: IncomingMessage): Promise<Record<string, string>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, string>);
}

const administration = createHttpServer((request, response) => {
  const answer = async (): Promise<[number, string]> => {
    if (request.url === '/stand-in/ready') return [200, 'ready'];
    if (request.headers.authorization !== rootHeader) return [403, 'not the root user'];
    return administer(request.url ?? '', await readBody(request));
  };
  answer().then(
    ([status, text]) => response.writeHead(status, { connection: 'close' }).end(text),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});

/** Hands a connection to the server that its first request is for. */
function accept(socket: Socket): void {
  let received = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk]);
    const first = readFirstRequest(received);
    if (!first) return;
    socket.off('data', read);
    socket.pause();
    socket.unshift(received);
    if (first.path.startsWith('/stand-in/')) {
      administration.emit('connection', socket);
      process.nextTick(() => socket.resume());
    } else forward(socket, servers.get(first.accessKey ?? ''));
  };
  socket.on('data', read);
  socket.on('error', () => socket.destroy());
}

function forward(socket: Socket, server: S3Server | undefined): void {
  if (!server) {
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    return;
  }
  const upstream = connect({ port: server.port, host: '127.0.0.1', noDelay: true });
  socket.setNoDelay(true);
  socket.pipe(upstream).pipe(socket);
  socket.on('close', () => upstream.destroy());
  upstream.on('error', () => socket.destroy());
}

await startServers();
const front = createServer(accept);
front.listen(PORT, '0.0.0.0', () => console.log(`the stand-in for MinIO serves port ${PORT}`));

async function stop(): Promise<void> {
  front.close();
  await Promise.all([...servers.values()].map((server) => server.stop()));
  process.exit(0);
}
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
