import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { freePort } from '../../src/free-port.ts';
import type { Plan, ProcessSpec, Stage } from '../../src/fleet/supervisor/plan.ts';

/** A temporary folder, deleted after the test. */
export function folder(t: Test): string {
  const made = realpathSync(mkdtempSync(path.join(tmpdir(), 'muniment-fleet-')));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

// A process that listens and answers with its pid. Its environment makes it misbehave.
const CHILD = `
import { createServer } from 'node:http';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
const { PORT, NAME, ORDER, DIE_AFTER_MS, WITH_CHILD, STUBBORN, DIE_ONCE, LISTEN_AFTER_MS } = process.env;
if (DIE_ONCE !== undefined && !existsSync(DIE_ONCE)) setTimeout(() => { writeFileSync(DIE_ONCE, ''); process.exit(3); }, 500);
if (DIE_AFTER_MS !== undefined) setTimeout(() => { console.error('last words of ' + NAME); process.exit(3); }, Number(DIE_AFTER_MS));
if (WITH_CHILD) spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'ignore' });
process.on('SIGTERM', () => { if (STUBBORN) return; appendFileSync(ORDER, NAME + '\\n'); process.exit(0); });
const server = createServer((request, response) => response.end(String(process.pid)));
setTimeout(() => server.listen(Number(PORT), '127.0.0.1'), Number(LISTEN_AFTER_MS ?? 0));
`;

/** A process of the fake fleet. `env` makes it misbehave. */
export async function fake(
  data: string,
  name: string,
  service: ProcessSpec['service'],
  env: Record<string, string> = {},
): Promise<ProcessSpec> {
  const script = path.join(data, 'child.mjs');
  writeFileSync(script, CHILD);
  const port = await freePort();
  return {
    name,
    service,
    port,
    command: [process.execPath, script],
    log: path.join(data, 'logs', `${name}.log`),
    ready: { tcp: port },
    stopSignal: 'SIGTERM',
    stopTimeout: 1500,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: String(port),
      NAME: name,
      ORDER: path.join(data, 'order'),
      ...env,
    },
  };
}

export function planOf(data: string, ...stages: ProcessSpec[][]): Plan {
  return {
    data,
    cwd: data,
    settings: { replicas: 1 },
    facts: { gateway: { http: 'http://localhost:1', https: null } },
    stages: stages.map((processes, index): Stage => ({ title: `stage ${index + 1}`, processes })),
  };
}
