import { fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureNginx, freePort, nginxConfig } from '@muniment/cluster';

export interface HelloGateway {
  url: string;
  stop(): Promise<void>;
}

const exitOf = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve(0)));

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .once('error', () => resolve(false));
  });

/** Starts bare Fastify replicas behind their own nginx with the product's configuration. */
export async function startHelloGateway(replicas: number): Promise<HelloGateway> {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-hello-'));
  await mkdir(join(dir, 'tmp'));
  const ports = await Promise.all(Array.from({ length: replicas }, freePort));
  const services = await Promise.all(
    ports.map(async (port) => {
      const child = fork(join(import.meta.dirname, 'hello.ts'), {
        env: { ...process.env, PORT: String(port) },
      });
      await new Promise((resolve) => child.once('message', resolve));
      return child;
    }),
  );
  const port = await freePort();
  await writeFile(
    join(dir, 'nginx.conf'),
    nginxConfig({
      dir,
      hosts: ['127.0.0.1'],
      port,
      upstreams: { user: ports, file: ports, audit: ports },
      s3Host: '127.0.0.1:9',
      uploadMaxBytes: 1024 * 1024,
      limits: false,
      pages: dir,
      secret: 'a-gateway-that-no-service-stands-behind-at-all',
      root: process.getuid?.() === 0,
    }),
  );
  const nginx = spawn(
    await ensureNginx(() => {}),
    ['-p', `${dir}/`, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  while (!(await accepts(port))) await sleep(20);
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      for (const child of [nginx, ...services]) child.kill('SIGTERM');
      await Promise.all([nginx, ...services].map(exitOf));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
