import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, type Teardown } from '@muniment/testing';
import {
  createClient,
  type Client,
  type ClientOptions,
} from '../../packages/api-client/src/index.ts';
import { holdToContract, loadContract } from './contract.ts';

const root = join(import.meta.dirname, '../..');

export interface FleetProcess {
  name: string;
  service: 'user' | 'file' | 'audit' | 'nginx' | 'postgres' | 'kinesis' | 's3' | 'mail';
  pid: number;
  port: number;
  log: string;
}

export interface FleetDescription {
  gateway: { http: string; https: string };
  processes: FleetProcess[];
  postgres: { url: string };
  s3: {
    endpoint: string;
    bucket: string;
    auditBucket: string;
    accessKeyId: string;
    secretAccessKey: string;
  };
  kinesis: { endpoint: string; stream: string; accessKeyId: string; secretAccessKey: string };
  mail: { page: string; smtp: string; user: string; passwordFile: string };
  environments: Record<'user' | 'file' | 'audit', Record<string, string>>;
}

export interface SignedIn {
  user: { id: string; email: string; type: string };
  token: string;
  refresh_token: string;
  session_id: string;
}

export interface CallOptions {
  token?: string;
  /** Sent as JSON. */
  json?: unknown;
  body?: NonNullable<RequestInit['body']>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Fleet {
  url: string;
  dataDir: string;
  /** fleet.json as it stands now: pids change when the supervisor restarts something. */
  describe(): Promise<FleetDescription>;
  /** One request through the gateway. Rejects where the answer breaks the OpenAPI document. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
  /**
   * The product's own client: for what is tested of the product, not of the wire. An answer that
   * breaks the OpenAPI document ends the test, however the client or the test takes it.
   */
  client(options?: Omit<ClientOptions, 'url' | 'fetch'>): Client;
  /** A new account, signed in. */
  signUp(): Promise<SignedIn>;
  upload(
    token: string,
    name: string,
    bytes: Uint8Array<ArrayBuffer> | string,
    type?: string,
  ): Promise<Response>;
  /** The caller's whole audit trail, oldest first, read page by page. */
  trail(token: string): Promise<AuditLog[]>;
}

export interface OwnFleet extends Fleet {
  /** `make up` once more. */
  up(): Promise<void>;
  /** `make down`. */
  down(): Promise<void>;
  /** `make rolling-restart`. @returns what it prints */
  rollingRestart(): Promise<string>;
}

export interface AuditLog {
  id: string;
  user_id: string | null;
  action: string;
  outcome: string;
  resource: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string;
  metadata: Record<string, unknown>;
  timestamp: string;
}

const contract = loadContract();
/** As `call`: one request, and its answer is what the test sees. */
const ONCE = { retry: { maxAttempts: 1 } };

/** Where the shared fleet may deliver webhooks, and nothing listens. */
export const DEAD_HOOK = 'http://127.0.0.1:9/';
export const PASSWORD = 'correct horse battery';
let accounts = 0;

/** Runs a script as `make` does; its path is the checkout's. @returns what it prints */
export async function runScript(
  script: string,
  environment: Record<string, string>,
): Promise<string> {
  const child = spawn(process.execPath, [join(root, script)], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
  if (code !== 0) throw new Error(`${script} exited with ${code}:\n${output}`);
  return output;
}

// PORT 0 chooses a port that the fleet keeps over its restarts.
// No load is shed: beside other tests a late answer is still the right one.
const SETTINGS = {
  PORT: '0',
  TLS_PORT: '0',
  REPLICAS: '2',
  LIMITS: 'off',
  EVENT_LOOP_MAX_DELAY_MS: '0',
};

/**
 * Starts a fleet for this test alone, as `make up` does; it stops with the test.
 * `settings` are environment variables of `make up` and of the services.
 */
export async function startFleet(
  t: Teardown,
  settings: Record<string, string> = {},
): Promise<OwnFleet> {
  const dataDir = await mkdtemp(join(tmpdir(), 'muniment-fleet-'));
  const environment = { DATA: dataDir, ...SETTINGS, ...settings };
  t.teardown(async () => {
    await runScript('packages/cluster/src/down.ts', environment);
    await rm(dataDir, { recursive: true, force: true });
  });
  await runScript('packages/cluster/src/up.ts', environment);
  return {
    ...(await connectToFleet(dataDir)),
    up: async () => void (await runScript('packages/cluster/src/up.ts', environment)),
    down: async () => void (await runScript('packages/cluster/src/down.ts', environment)),
    rollingRestart: () => runScript('packages/cluster/src/rolling-restart.ts', environment),
  };
}

/**
 * The fleet of all test files that kill nothing, change no setting and count no foreign rows.
 * The first file starts it; `scripts/test.ts` stops it after the run.
 */
export async function shareFleet(): Promise<Fleet> {
  const dataDir = process.env['TEST_FLEET_DIR'];
  if (!dataDir) throw new Error('There is no shared fleet. Run `make test T=<file>`.');
  const started = join(dataDir, 'started');
  const isFirst = await mkdir(dataDir).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (isFirst) {
    await runScript('packages/cluster/src/up.ts', {
      DATA: dataDir,
      DURABLE: 'off',
      WEBHOOK_ALLOW: new URL(DEAD_HOOK).host,
      ...SETTINGS,
    });
    await writeFile(started, '');
  }
  await until(() => existsSync(started), { what: 'the shared fleet', timeoutMs: 90_000 });
  return connectToFleet(dataDir);
}

async function fetchAsDocumented(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init);
  const { pathname, search } = new URL(url);
  const request = { method: init.method ?? 'GET', path: pathname + search };
  await holdToContract(contract, request, answer).catch((breach: unknown) => {
    // The client would try again and reject with its own error: nobody may catch this one.
    void Promise.reject(breach);
    throw breach;
  });
  return answer;
}

/** Speaks to a fleet that runs already. Another release's answers fit other documents. */
export async function connectToFleet(dataDir: string, isOtherRelease = false): Promise<Fleet> {
  const describe = async (): Promise<FleetDescription> =>
    JSON.parse(await readFile(join(dataDir, 'fleet.json'), 'utf8'));
  const url = (await describe()).gateway.http;

  const send: Fleet['call'] = (method, path, { token, json, body, headers, signal } = {}) =>
    fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json !== undefined ? { body: JSON.stringify(json) } : body !== undefined ? { body } : {}),
      ...(signal && { signal }),
    });
  const call: Fleet['call'] = async (method, path, options) => {
    const answer = await send(method, path, options);
    if (!isOtherRelease) await holdToContract(contract, { method, path }, answer);
    return answer;
  };

  const client: Fleet['client'] = (options) =>
    createClient({ ...options, url, ...(!isOtherRelease && { fetch: fetchAsDocumented }) });

  return {
    url,
    dataDir,
    describe,
    call,
    client,
    async signUp() {
      accounts += 1;
      const email = `user-${process.pid}-${accounts}@example.com`;
      const { data } = await client(ONCE).signUp({ email, password: PASSWORD });
      return data as SignedIn;
    },
    upload(token, name, bytes, type = 'application/octet-stream') {
      const form = new FormData();
      form.append('file', new File([bytes], name, { type }));
      return call('POST', '/api/files', { token, body: form });
    },
    async trail(token) {
      const { api } = client({ ...ONCE, apiToken: token });
      const logs: AuditLog[] = [];
      for await (const log of api.trail.listLogs({ query: { limit: 200 } }))
        logs.push(log as AuditLog);
      return logs.reverse();
    },
  };
}
