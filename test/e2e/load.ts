import { setTimeout as sleep } from 'node:timers/promises';
import { timeBound } from '@muniment/testing';
import type { Fleet, SignedIn } from './fleet.ts';

export interface Write {
  kind: 'rename' | 'upload' | 'delete' | 'register';
  /** Unique within its kind: a name, a file id, an address. */
  key: string;
  /** 0: no answer came. */
  status: number;
}

export interface Read {
  kind: 'profile' | 'list' | 'download' | 'trail';
  status: number;
}

/** The answers that the clients got. */
export interface Ledger {
  writes: Write[];
  reads: Read[];
  /** Answers other than a success or 503 with `Retry-After`, each with its ISO 8601 time. */
  strange: string[];
  /** The longest wait of a client, in milliseconds. */
  slowest: number;
}

export interface LoadOptions {
  accounts: SignedIn[];
  /** The paths that each client reads. */
  reads: Read['kind'][];
}

/** Of each client, between two rounds of requests. Without it the clients starve the fleet. */
const PAUSE_MS = timeBound(10, 60);

let counter = 0;
const unique = (what: string): string => `${what}-${process.pid}-${(counter += 1)}`;

/** Sends requests and records their answers in the ledger. */
function createRecorder(fleet: Fleet, ledger: Ledger) {
  async function send(
    what: string,
    request: () => Promise<Response>,
  ): Promise<{ status: number; text: string }> {
    const started = performance.now();
    let answer = { status: 0, text: '' };
    try {
      const response = await request();
      answer = { status: response.status, text: await response.text() };
      const busy = answer.status === 503 && response.headers.get('retry-after') !== null;
      if (!response.ok && !busy)
        ledger.strange.push(
          `${new Date().toISOString()} ${what}: ${answer.status} ${answer.text.slice(0, 200)}`,
        );
    } catch (error) {
      ledger.strange.push(`${new Date().toISOString()} ${what}: ${String(error)}`);
    }
    ledger.slowest = Math.max(ledger.slowest, performance.now() - started);
    return answer;
  }

  async function write(
    kind: Write['kind'],
    key: string,
    request: () => Promise<Response>,
  ): Promise<string> {
    const { status, text } = await send(`${kind} ${key}`, request);
    ledger.writes.push({ kind, key, status });
    return status >= 200 && status < 300 ? text : '';
  }

  async function read(kind: Read['kind'], token: string, path: string): Promise<void> {
    const { status } = await send(`${kind} ${path}`, () => fleet.call('GET', path, { token }));
    ledger.reads.push({ kind, status });
  }

  return { read, write };
}

/** One client per account changes and reads and records every answer. */
export function startLoad(
  fleet: Fleet,
  { accounts, reads }: LoadOptions,
): { ledger: Ledger; stop(): Promise<Ledger> } {
  const ledger: Ledger = { writes: [], reads: [], strange: [], slowest: 0 };
  let stopped = false;
  const { read, write } = createRecorder(fleet, ledger);

  async function client({ token }: SignedIn): Promise<void> {
    const files: string[] = [];
    for (let round = 0; !stopped; round += 1) {
      const name = unique('name');
      await write('rename', name, () =>
        fleet.call('PATCH', '/api/users/me', { token, json: { name } }),
      );
      if (reads.includes('profile')) await read('profile', token, '/api/users/me');
      const fileName = unique('file');
      const uploaded = await write('upload', fileName, () =>
        fleet.upload(token, fileName, `bytes of ${fileName}`),
      );
      if (uploaded) files.push((JSON.parse(uploaded) as { id: string }).id);
      if (reads.includes('list')) await read('list', token, '/api/files?limit=5');
      const newest = files.at(-1);
      if (newest !== undefined && reads.includes('download'))
        await read('download', token, `/api/files/${newest}`);
      if (reads.includes('trail')) await read('trail', token, '/api/audit/logs?limit=5');
      const oldest = files.length > 2 ? files.shift() : undefined;
      if (oldest !== undefined)
        await write('delete', oldest, () =>
          fleet.call('DELETE', `/api/files/${oldest}`, { token }),
        );
      if (round % 5 === 0) {
        const email = `${unique('new')}@example.com`;
        await write('register', email, () =>
          fleet.call('POST', '/api/users/register', {
            json: { email, password: 'correct horse battery' },
          }),
        );
      }
      await sleep(PAUSE_MS);
    }
  }

  const clients = Promise.all(accounts.map(client));
  return {
    ledger,
    async stop() {
      stopped = true;
      await clients;
      return ledger;
    },
  };
}

export const isAcknowledged = ({ status }: { status: number }): boolean =>
  status >= 200 && status < 300;
