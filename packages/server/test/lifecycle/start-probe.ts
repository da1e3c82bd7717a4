import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import { until } from '@muniment/testing';
import { environment } from '../build.ts';

export interface Probe {
  process: ChildProcess;
  /** What it has written so far, to both outputs. */
  output(): string;
  /** Empty until it listens. */
  url: string;
  exit: Promise<number | null>;
}

const running = new Set<ChildProcess>();
// With --bail a test ends without its teardown.
process.once('exit', () => running.forEach((probe) => probe.kill('SIGKILL')));

/** Starts the probe service and waits until it has written `ready` or has ended. */
export async function startProbe(
  t: Test,
  settings: Record<string, string | undefined> = {},
  ready = 'url=',
): Promise<Probe> {
  const { env } = await environment(t);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../probe-service.ts')], {
    env: { ...env, LOG_LEVEL: 'info', ...settings },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  const probe: Probe = { process: child, output: () => output, url: '', exit };
  await until(() => output.includes(ready) || child.exitCode !== null, { what: ready });
  probe.url = /url=(\S+)/.exec(output)?.[1] ?? '';
  return probe;
}
