import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { FleetError } from './errors.ts';

// Debian runs this program before it starts a service.
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const START_FORBIDDEN = 101;

export interface DebianPackages {
  packages: string[];
  /** Services of these packages, which are not started. */
  services: string[];
  /** For tests: another policy file. */
  policy?: string;
}

/**
 * Installs packages by apt-get, as root, and keeps their services from starting.
 * @throws FleetError with apt-get's last words
 */
export async function installDebianPackages(
  { packages, services, policy = POLICY_FILE }: DebianPackages,
  report: (line: string) => void,
): Promise<void> {
  const names = packages.join(' ');
  report(`installing ${names} (apt-get install ${names})`);
  const allow = forbidStart(policy, services);
  try {
    await install(packages, report);
  } finally {
    allow();
  }
}

async function install(packages: string[], report: (line: string) => void): Promise<void> {
  const words = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...packages];
  // The package lists may be missing or outdated: then they are fetched, once.
  if ((await run(words)).code === 0) return;
  report('fetching the package lists (apt-get update)');
  await run(['apt-get', 'update', '-q']);
  const last = await run(words);
  if (last.code !== 0)
    throw new FleetError(
      `apt-get could not install ${packages.join(' ')}. Install it yourself and try again:\n` +
        last.output.trim().split('\n').slice(-10).join('\n'),
    );
}

/**
 * Keeps packages from starting their own servers. @returns how to allow it again
 * The policy is void once this process has ended. An existing policy is left alone.
 */
function forbidStart(policy: string, services: string[]): () => void {
  const pattern = services.flatMap((name) => [name, `${name}.service`]).join('|');
  const script = `#!/bin/sh
# Written by Muniment while it installs packages. Void once process ${process.pid} has ended.
[ -d /proc/${process.pid} ] || exit 0
case "$1" in ${pattern}) exit ${START_FORBIDDEN};; esac
exit 0
`;
  try {
    writeFileSync(policy, script, { mode: 0o755, flag: 'wx' });
    return () => rmSync(policy, { force: true });
  } catch {
    return () => {};
  }
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
