import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../errors.ts';
import { freePort } from '../free-port.ts';
import { initDatabase } from './init-database.ts';
import { isReady, postgresCommand } from './postgres-command.ts';
import { clearStalePostgres } from './stale-postgres.ts';
import { postgresRuntime } from './unprivileged.ts';

export interface PostgresOptions {
  /** The data folder; made by initdb when absent. As root it comes to belong to nobody. */
  dataDir: string;
  /** Default: a free one. */
  port?: number;
  /** true: fsync on, what was acknowledged survives a power cut. false: for tests. */
  durable: boolean;
  /** With it every connection must authenticate (scram-sha-256); without it 127.0.0.1 is trusted. */
  password?: string;
  /** Server settings, as in postgresql.conf. */
  settings?: Record<string, string>;
}

export interface RunningPostgres {
  port: number;
  /** postgres://postgres…@127.0.0.1:port/postgres */
  superuserUrl: string;
  stop(): Promise<void>;
}

/** Starts an embedded PostgreSQL 18 that ends with this process, and resolves once it takes connections. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const runtime = postgresRuntime(path.resolve(options.dataDir));
  initDatabase(runtime, options);
  await clearStalePostgres(runtime.dataDir);
  const port = options.port ?? (await freePort());
  const settings = { shared_buffers: '64MB', ...options.settings };
  const [command = '', ...args] = postgresCommand(runtime, {
    port,
    durable: options.durable,
    settings,
    endWithParent: true,
  });
  const log = path.join(runtime.dataDir, 'server.log');
  // A file, not a pipe: a parent that blocks (spawnSync) would let the pipe fill and PostgreSQL hang on its own log.
  const fd = openSync(log, 'w', 0o600);
  const child = spawn(command, args, {
    ...runtime.user,
    cwd: '/',
    stdio: ['ignore', fd, fd],
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  });
  closeSync(fd);
  child.on('error', () => {}); // seen below as a child without a pid
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let waited = 0; !isReady(runtime.dataDir, child.pid ?? -1); waited += 20) {
    if (
      child.pid === undefined ||
      child.exitCode !== null ||
      child.signalCode !== null ||
      waited > 60_000
    ) {
      child.kill('SIGKILL');
      throw new FleetError(
        `PostgreSQL did not start:\n${readFileSync(log, 'utf8').split('\n').slice(-15).join('\n')}`,
      );
    }
    await sleep(20);
  }
  child.unref();
  const secret = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}`;
  return {
    port,
    superuserUrl: `postgres://postgres${secret}@127.0.0.1:${port}/postgres`,
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  child.kill('SIGINT');
  const immediate = setTimeout(() => child.kill('SIGQUIT'), 10_000);
  await exited;
  clearTimeout(immediate);
}
