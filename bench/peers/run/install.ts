import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Run } from './run.ts';

const MANIFESTS = join(import.meta.dirname, '../manifests');

/**
 * Installs what a manifest locks, unless it is installed. @returns the folder of its node_modules
 * Scripts stay off: the native parts are prebuilt in their packages. With scripts npm would
 * compile isolated-vm and sqlite3 for three minutes.
 */
export async function installPackages(run: Run, name: string): Promise<string> {
  const folder = join(run.folder, 'packages', name);
  const installed = join(folder, 'installed.json');
  const lock = await readFile(join(MANIFESTS, name, 'package-lock.json'), 'utf8');
  if ((await readFile(installed, 'utf8').catch(() => '')) === lock) return folder;
  run.report(`installing ${name} (npm ci --ignore-scripts)`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(join(MANIFESTS, name), folder, { recursive: true });
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const installing = promisify(execFile)('npm', ['ci', ...flags], { cwd: folder });
  run.teardown(() => installing.child.kill());
  await installing;
  await writeFile(installed, lock);
  return folder;
}
