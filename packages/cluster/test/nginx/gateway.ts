import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type RequestListener, type Server, createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../src/free-port.ts';
import { ensureNginx } from '../../src/nginx/ensure-nginx.ts';
import { type GatewayConfig, nginxConfig } from '../../src/nginx/nginx-config.ts';
import { preparePages } from '../../src/nginx/prepare-pages.ts';
import { tlsCertificate } from '../../src/nginx/tls-certificate.ts';

export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** An upstream that records its requests. By default it answers its own name. */
export async function upstream(
  t: Test,
  name: string,
  answer?: RequestListener,
): Promise<{ port: number; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const entry: Seen = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: '',
    };
    seen.push(entry);
    request.on('data', (chunk: Buffer) => (entry.body += chunk.toString('latin1').slice(0, 1000)));
    request.on('error', () => {});
    if (answer) answer(request, response);
    else request.on('end', () => response.end(JSON.stringify({ upstream: name })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void (server.closeAllConnections(), server.close()));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('TCP');
  return { port: address.port, seen, server };
}

export interface Gateway {
  http: string;
  port: number;
  tlsPort: number;
  dir: string;
  /** nginx's standard error so far. */
  errorLog(): string;
}

const running = new Set<ChildProcess>();
// With --bail a test ends without its teardown.
process.once('exit', () => running.forEach((nginx) => nginx.kill()));

function spawnNginx(program: string, dir: string) {
  const args = ['-p', `${dir}/`, '-c', path.join(dir, 'nginx.conf'), '-e', 'stderr'];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export const GATEWAY_SECRET = 'the-secret-that-every-gateway-of-a-test-sends';

/** Starts nginx in front of the given ports. All other upstreams refuse connections. */
export async function gateway(
  t: Test,
  options: {
    user?: number[];
    file?: number[];
    audit?: number[];
    s3?: number;
    limits?: boolean;
    uploadMaxBytes?: number;
    corsOrigins?: string;
    mailPage?: string;
  },
): Promise<Gateway> {
  const nginx = await ensureNginx(() => {});
  const dir = mkdtempSync(path.join(tmpdir(), 'muniment nginx-')); // a space, as in a checkout under "My Projects"
  mkdirSync(path.join(dir, 'tmp'));
  const [port, tlsPort, nowhere] = [await freePort(), await freePort(), await freePort()];
  const root = process.getuid?.() === 0;
  const certificate = tlsCertificate(path.join(dir, 'tls'));
  if (!certificate) throw new Error('openssl is needed');
  const config: GatewayConfig = {
    dir,
    hosts: ['127.0.0.1'],
    port,
    tls: { port: tlsPort, ...certificate },
    upstreams: {
      user: options.user ?? [nowhere],
      file: options.file ?? [nowhere],
      audit: options.audit ?? [nowhere],
    },
    s3Host: `127.0.0.1:${options.s3 ?? nowhere}`,
    uploadMaxBytes: options.uploadMaxBytes ?? 2 * 1024 * 1024,
    limits: options.limits ?? false,
    pages: preparePages(dir, { root }),
    ...(options.corsOrigins !== undefined && { corsOrigins: options.corsOrigins }),
    ...(options.mailPage !== undefined && { mailPage: options.mailPage }),
    root,
    secret: GATEWAY_SECRET,
  };
  writeFileSync(path.join(dir, 'nginx.conf'), nginxConfig(config));
  const child = spawnNginx(nginx, dir);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(dir, { recursive: true, force: true });
    if (/\[(emerg|alert|crit)\]/.test(log)) process.exitCode = 1; // the log says why; a throw here would keep the other teardowns from running
  });
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
    await sleep(20);
  }
  return { http: `http://127.0.0.1:${port}`, port, tlsPort, dir, errorLog: () => log };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Sends raw bytes and returns the whole answer as text. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.once('close', () => resolve(answer));
    socket.on('error', () => {}); // a reset after the answer, when the gateway read no further
  });
}
