import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DOWNLOAD_TIMEOUT_MS = 120_000;
const TOOLS = join(import.meta.dirname, '../../../.tools');

/** Paths and programs of this machine; tests give others. */
export interface PromtoolSource {
  /** Where an unpacked promtool stays. */
  folder?: string;
  /** Where programs are found. */
  path?: string | undefined;
}

export type Promtool = { path: string; missing?: never } | { path?: never; missing: string };

/**
 * Finds promtool in PATH, or takes it from Debian's package. The package is unpacked, not installed:
 * installing it would start a Prometheus. A test skips with `missing`, which says what to do.
 */
export async function findPromtool({
  folder = TOOLS,
  path = process.env.PATH,
}: PromtoolSource = {}): Promise<Promtool> {
  const env = { ...process.env, PATH: path };
  try {
    await run('promtool', ['--version'], { env });
    return { path: 'promtool' };
  } catch {
    // Not in PATH: Debian's follows.
  }
  const unpacked = join(folder, 'promtool');
  if (existsSync(unpacked)) return { path: unpacked };
  try {
    await unpackPackage(folder, env);
    return { path: unpacked };
  } catch (error) {
    const cause = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { missing: `promtool cannot be had: put it into PATH (${cause})` };
  }
}

async function unpackPackage(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  await mkdir(folder, { recursive: true });
  const cwd = await mkdtemp(join(folder, 'prometheus-'));
  const options = { cwd, env, timeout: DOWNLOAD_TIMEOUT_MS };
  const download = () => run('apt-get', ['download', '-q', 'prometheus'], options);
  try {
    // The package lists may be missing or outdated: then they are fetched, once.
    await download().catch(async () => {
      await run('apt-get', ['update', '-q'], options);
      await download();
    });
    const file = (await readdir(cwd)).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new Error('apt-get downloaded no package');
    await run('dpkg-deb', ['-x', file, '.'], options);
    const copy = join(cwd, 'promtool');
    await copyFile(join(cwd, 'usr/bin/promtool'), copy);
    // Renamed whole: a test in another process may look for it meanwhile.
    await rename(copy, join(folder, 'promtool'));
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
