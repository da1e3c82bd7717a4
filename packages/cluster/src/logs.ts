// make logs [S=user]: follows the logs whose name begins with S, or all of them.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { dataFolder } from './fleet/settings.ts';

const folder = path.join(dataFolder(process.env), 'logs');
const prefix = process.env.S ?? '';
let names: string[] = [];
try {
  names = readdirSync(folder).filter((name) => name.endsWith('.log') && name.startsWith(prefix));
} catch {
  // no fleet has been here
}
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
      ...names.toSorted().map((name) => path.join(folder, name)),
    ],
    { stdio: 'inherit' },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tail.kill(signal));
  tail.on('exit', (code) => (process.exitCode = code ?? 0));
}
