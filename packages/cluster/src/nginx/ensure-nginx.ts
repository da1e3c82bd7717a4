import { spawn } from 'node:child_process';
import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';

// Where an ordinary user's PATH may not lead.
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];
// What Debian's invoke-rc.d and deb-systemd-invoke ask before they start a service.
const POLICY = '/usr/sbin/policy-rc.d';
const FORBIDDEN = 101;

/** Where to look and what to leave; given by tests only. */
export interface Machine {
  systemFolders?: string[];
  policy?: string;
}

/** Path of the nginx program; root on Debian gets it installed by apt-get, `report` being told each step. */
export async function ensureNginx(
  report: (line: string) => void,
  machine: Machine = {},
): Promise<string> {
  const { systemFolders = SYSTEM_FOLDERS, policy = POLICY } = machine;
  const found = find('nginx', systemFolders);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || find('apt-get', systemFolders) === undefined) {
    throw new FleetError(
      'nginx is not installed: install it with your package manager (Debian and Ubuntu: sudo apt-get install -y nginx) and try again',
    );
  }
  report('installing nginx (apt-get install nginx)');
  const allow = forbidStart(policy);
  try {
    await install(report);
  } finally {
    allow();
  }
  const installed = find('nginx', systemFolders);
  if (installed === undefined)
    throw new FleetError('apt-get installed nginx, but there is no nginx program');
  return installed;
}

async function install(report: (line: string) => void): Promise<void> {
  const words = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', 'nginx'];
  // The package lists may be missing (fresh container) or old (404): then they are fetched, once.
  if ((await run(words)).code === 0) return;
  report('fetching the package lists (apt-get update)');
  await run(['apt-get', 'update', '-q']);
  const last = await run(words);
  if (last.code !== 0)
    throw new FleetError(
      `apt-get could not install nginx:\n${last.output.trim().split('\n').slice(-10).join('\n')}`,
    );
}

/**
 * Keeps the package's own server from starting: its postinst takes port 80, and fails the installation where it cannot.
 * Only nginx is meant, and only while this process lives: a policy that a killed `make up` leaves forbids nothing.
 * A policy that is there already is the administrator's (in container images it forbids every start) and stays.
 */
function forbidStart(policy: string): () => void {
  const script = `#!/bin/sh\n# Of Muniment's make up, while it installs nginx; without effect and of no use once process ${process.pid} has ended.\n[ -d /proc/${process.pid} ] || exit 0\ncase "$1" in nginx|nginx.service) exit ${FORBIDDEN};; esac\nexit 0\n`;
  try {
    writeFileSync(policy, script, { mode: 0o755, flag: 'wx' });
    return () => rmSync(policy, { force: true });
  } catch {
    return () => {};
  }
}

/** Path of a program in PATH or in the folders of system programs, which an ordinary user's PATH may lack. */
export function find(program: string, systemFolders = SYSTEM_FOLDERS): string | undefined {
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
