import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Where Debian's golang-golang-x-mod-dev puts its source. */
export const GOPATH = '/usr/share/gocode';
const PACKAGES = ['golang-go', 'golang-golang-x-mod-dev'];

function run(command: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
}

const isThere = async (): Promise<boolean> =>
  existsSync(`${GOPATH}/src/golang.org/x/mod/sumdb/tlog`) && (await run('go', ['version']));
const install = (): Promise<boolean> =>
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...PACKAGES]);

/**
 * Go and its transparency log packages; root on Debian gets them by apt-get (25 s, once).
 * @returns why they are not there, or undefined
 */
export async function ensureGo(): Promise<string | undefined> {
  if (await isThere()) return undefined;
  if (process.getuid?.() === 0 && !(await install()) && (await run('apt-get', ['update', '-q'])))
    await install();
  return (await isThere())
    ? undefined
    : `needs Go and golang.org/x/mod: sudo apt-get install -y ${PACKAGES.join(' ')}`;
}
