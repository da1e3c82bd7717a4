import { spawn } from 'node:child_process';
import path from 'node:path';
import { allProcesses, commandLine } from '../../src/fleet/supervisor/process-table.ts';

/** Runs up.ts, down.ts or status.ts as make does. With ENV_FILE it reads that file. */
export function runCommand(
  script: string,
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const source = path.join(import.meta.dirname, '../../src');
  const preload = env.ENV_FILE ? ['--import', path.join(source, 'load-env-file.ts')] : [];
  const child = spawn(process.execPath, [...preload, path.join(source, script)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

/** Command lines of processes that run from a data folder. */
export const runningFrom = (data: string): string[] =>
  allProcesses()
    .map(({ pid }) => commandLine(pid))
    .filter((line) => line.includes(data) && !line.includes('test.ts'));
