import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface LongFunction {
  file: string;
  line: number;
  /** As oxlint names it, for example `function buildApp`. */
  name: string;
  lines: number;
}

interface Diagnostic {
  message: string;
  filename: string;
  labels: { span: { line: number } }[];
}

const OXLINT = join(import.meta.dirname, '../../node_modules/.bin/oxlint');
const MESSAGE = /^The (.*?) has too many lines \((\d+)\)/;

/**
 * Lists the functions below `folders` with more than `maxLines` lines, longest first.
 * oxlint counts by its rule's default of 50, so `maxLines` cannot be lower.
 * @throws when oxlint does not run
 */
export function listLongFunctions(
  root: string,
  folders: readonly string[],
  maxLines: number,
): LongFunction[] {
  // Without NODE_OPTIONS: oxlint's launcher does not load under the module hooks of tap.
  const command = ['-u', 'NODE_OPTIONS', OXLINT, '--allow=all', '--deny=max-lines-per-function'];
  const { stdout, stderr, error } = spawnSync('env', [...command, '--format=json', ...folders], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  });
  if (error || stdout === '') throw new Error(`oxlint did not run: ${stderr}`, { cause: error });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Diagnostic[] };
  return diagnostics
    .map(({ message, filename, labels }): LongFunction => {
      const [, name = '', lines = '0'] = MESSAGE.exec(message) ?? [];
      return { file: filename, line: labels[0]?.span.line ?? 0, name, lines: Number(lines) };
    })
    .filter(({ lines }) => lines > maxLines)
    .toSorted((one, other) => other.lines - one.lines);
}
