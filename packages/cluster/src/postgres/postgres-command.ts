import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PostgresRuntime } from './unprivileged.ts';

const TEST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum_naptime: '5min',
  max_wal_size: '512MB',
};

/** The command that starts a postmaster. SIGINT is its fast stop. */
export function postgresCommand(
  runtime: PostgresRuntime,
  options: {
    port: number;
    durable: boolean;
    settings?: Record<string, string>;
    endWithParent?: boolean;
  },
): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    log_timezone: 'UTC',
    timezone: 'UTC',
    ...(options.durable
      ? { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }
      : TEST_SETTINGS),
    ...options.settings,
  };
  const { prefix, native, dataDir } = runtime;
  // A killed test run must leave no server. From Node only setpriv can ask for that.
  const guard = options.endWithParent && prefix.length > 0 ? ['--pdeathsig', 'INT'] : [];
  const start = prefix.length === 1 && guard.length === 0 ? [] : [...prefix, ...guard];
  return [
    ...start,
    `${native}/bin/postgres`,
    '-D',
    dataDir,
    '-p',
    String(options.port),
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

/** Whether the postmaster with this pid accepts connections. */
export function isReady(dataDir: string, pid: number): boolean {
  try {
    const lines = readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch {
    return false; // The file is not written yet.
  }
}
