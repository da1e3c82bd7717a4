import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';

/** Path of the nginx program; root on Debian gets it installed by apt-get, `report` being told each step. */
export async function ensureNginx(report: (line: string) => void): Promise<string> {
  const found = find('nginx');
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || find('apt-get') === undefined) {
    throw new FleetError('nginx is not installed: install it with your package manager (Debian and Ubuntu: sudo apt-get install -y nginx) and try again');
  }
  report('installing nginx (apt-get install nginx)');
  const install = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', 'nginx'];
  // The package lists may be missing (fresh container) or old (404): then they are fetched, once.
  if ((await run(install)).code !== 0) {
    report('fetching the package lists (apt-get update)');
    await run(['apt-get', 'update', '-q']);
    const last = await run(install);
    if (last.code !== 0) throw new FleetError(`apt-get could not install nginx:\n${last.output.trim().split('\n').slice(-10).join('\n')}`);
  }
  const installed = find('nginx');
  if (installed === undefined) throw new FleetError('apt-get installed nginx, but there is no nginx program');
  return installed;
}

/** Path of a program in PATH or in the folders of system programs, which an ordinary user's PATH may lack. */
export function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

// RUNLEVEL=1 keeps Debian's package from starting its own server on port 80.
function run([command = '', ...args]: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}
