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

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

export interface PostgresOptions {
  /** The data folder, created when absent. Under root it belongs to `nobody`. */
  dataDir: string;
  /** Default: a free port. */
  port?: number;
  /** Whether commits survive a power cut (fsync). False is for tests. */
  durable: boolean;
  /** Required of every connection (scram-sha-256). Absent: 127.0.0.1 is trusted. */
  password?: string;
  /** Server settings, as in postgresql.conf. */
  settings?: Record<string, string>;
}

export interface RunningPostgres {
  port: number;
  /** Of the postmaster. */
  pid: number;
  /** postgres://postgres…@127.0.0.1:port/postgres */
  superuserUrl: string;
  stop(): Promise<void>;
}

/** Starts an embedded PostgreSQL 18 that ends with this process. Resolves once it accepts. */
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
  // Not a pipe: a parent that blocks (spawnSync) would let it fill, and PostgreSQL would hang.
  const fd = openSync(log, 'w', 0o600);
  const child = spawn(command, args, {
    ...runtime.user,
    cwd: '/',
    stdio: ['ignore', fd, fd],
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  });
  closeSync(fd);
  child.on('error', () => {}); // Detected below: the child has no pid.
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let waited = 0; !isReady(runtime.dataDir, child.pid ?? -1); waited += 20) {
    if (
      child.pid === undefined ||
      child.exitCode !== null ||
      child.signalCode !== null ||
      waited > START_TIMEOUT_MS
    ) {
      child.kill('SIGKILL');
      throw new FleetError(
        `PostgreSQL did not start. The last lines of ${log}:\n` +
          readFileSync(log, 'utf8').split('\n').slice(-15).join('\n'),
      );
    }
    await sleep(20);
  }
  child.unref();
  const secret = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}`;
  return {
    port,
    pid: child.pid ?? 0,
    superuserUrl: `postgres://postgres${secret}@127.0.0.1:${port}/postgres`,
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  child.kill('SIGINT');
  const immediate = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(immediate);
}
