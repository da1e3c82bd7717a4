// make logs [S=user]: follows all logs, or those whose name begins with S.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { dataFolder } from './fleet/settings.ts';

function logNames(folder: string, prefix: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.log') && name.startsWith(prefix))
      .toSorted();
  } catch {
    return []; // No fleet has run here.
  }
}

const folder = path.join(dataFolder(process.env), 'logs');
const prefix = process.env.S ?? '';
const names = logNames(folder, prefix);
if (names.length === 0) {
  console.error(`no logs ${prefix === '' ? '' : `of ${prefix} `}in ${folder}`);
  process.exitCode = 1;
} else {
  const tail = spawn(
    'tail',
    [
      '-n',
      process.env.LINES_EACH ?? '20',
      ...(process.env.FOLLOW === 'off' ? [] : ['-F']),
      ...names.map((name) => path.join(folder, name)),
    ],
    { stdio: 'inherit' },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tail.kill(signal));
  tail.on('exit', (code) => (process.exitCode = code ?? 0));
}
