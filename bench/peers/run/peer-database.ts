import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startPostgres } from '@muniment/cluster';
import type { Run } from './run.ts';

export interface PeerDatabase {
  url: string;
  port: number;
  user: string;
  password: string;
  pid: number;
}

export const newSecret = (): string => randomBytes(24).toString('hex');

/** Starts a peer's own PostgreSQL, durable as our fleet's. */
export async function startPeerDatabase(run: Run, name: string): Promise<PeerDatabase> {
  const password = newSecret();
  const starting = startPostgres({
    dataDir: join(run.dataDir, `${name}-postgres`),
    durable: true,
    password,
    settings: { shared_buffers: '256MB', max_connections: '100' },
  });
  run.teardown(() =>
    starting.then(
      ({ stop }) => stop(),
      () => {},
    ),
  );
  const { superuserUrl, port, pid } = await starting;
  return { url: superuserUrl, port, user: 'postgres', password, pid };
}
