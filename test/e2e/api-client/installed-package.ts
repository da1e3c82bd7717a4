import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder, type Teardown } from '@muniment/testing';

const root = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

/** Without what tap loads into every process of a test: npm and the compiler do not bear it. */
const { NODE_OPTIONS: _, ...environment } = process.env;
const PATH = [join(root, 'node_modules/.bin'), process.env['PATH']].join(':');

/** Runs a command to its end. @throws with what it printed */
export async function runCommand(
  cwd: string,
  [command = '', ...args]: readonly string[],
): Promise<string> {
  try {
    return (await run(command, args, { cwd, env: { ...environment, PATH } })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`, { cause: error });
  }
}

/** An empty project with the client, packed and installed as others do it, without a network. */
export async function installPackage(t: Teardown): Promise<string> {
  const folder = await temporaryFolder(t);
  const project = join(folder, 'project');
  await mkdir(project);
  await runCommand(join(root, 'packages/api-client'), [
    'npm',
    'pack',
    '--pack-destination',
    folder,
  ]);
  const archive = (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '';
  const manifest = { name: 'project', version: '1.0.0', private: true, type: 'module' };
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
  const options = ['--offline', '--no-audit', '--no-fund'];
  await runCommand(project, ['npm', 'install', ...options, join(folder, archive)]);
  return project;
}
