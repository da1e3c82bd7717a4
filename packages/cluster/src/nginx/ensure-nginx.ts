import { spawn } from 'node:child_process';
import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';

// An ordinary user's PATH may lack these.
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];
// Debian runs this program before it starts a service.
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const START_FORBIDDEN = 101;

/** Paths of this machine; tests give others. */
export interface Machine {
  systemFolders?: string[];
  policy?: string;
}

/** Finds the nginx program, or installs it as root on Debian. @returns its path */
export async function ensureNginx(
  report: (line: string) => void,
  machine: Machine = {},
): Promise<string> {
  const { systemFolders = SYSTEM_FOLDERS, policy = POLICY_FILE } = machine;
  const found = findProgram('nginx', systemFolders);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || findProgram('apt-get', systemFolders) === undefined) {
    throw new FleetError(
      'nginx is not installed. Install it with your package manager and try again ' +
        '(Debian and Ubuntu: sudo apt-get install -y nginx).',
    );
  }
  report('installing nginx (apt-get install nginx)');
  const allow = forbidStart(policy);
  try {
    await install(report);
  } finally {
    allow();
  }
  const installed = findProgram('nginx', systemFolders);
  if (installed === undefined)
    throw new FleetError(
      'apt-get installed nginx, but no nginx program was found. Add it to PATH.',
    );
  return installed;
}

async function install(report: (line: string) => void): Promise<void> {
  const words = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', 'nginx'];
  // The package lists may be missing or outdated: then they are fetched, once.
  if ((await run(words)).code === 0) return;
  report('fetching the package lists (apt-get update)');
  await run(['apt-get', 'update', '-q']);
  const last = await run(words);
  if (last.code !== 0)
    throw new FleetError(
      'apt-get could not install nginx. Install it yourself and try again:\n' +
        last.output.trim().split('\n').slice(-10).join('\n'),
    );
}

/**
 * Keeps the package from starting its own server on port 80. @returns how to allow it again
 * The policy is void once this process has ended. An existing policy is left alone.
 */
function forbidStart(policy: string): () => void {
  const script = `#!/bin/sh
# Written by Muniment's make up while it installs nginx. Void once process ${process.pid} has ended.
[ -d /proc/${process.pid} ] || exit 0
case "$1" in nginx|nginx.service) exit ${START_FORBIDDEN};; esac
exit 0
`;
  try {
    writeFileSync(policy, script, { mode: 0o755, flag: 'wx' });
    return () => rmSync(policy, { force: true });
  } catch {
    return () => {};
  }
}

/** Finds a program in PATH or in the system folders. */
export function findProgram(program: string, systemFolders = SYSTEM_FOLDERS): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...systemFolders];
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

function run([command = '', ...args]: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}
