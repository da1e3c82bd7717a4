import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Mutation } from './planted-bugs.ts';

const OURS = '@muniment';

/** Copies the checkout's sources to `target`, and links its packages: our own within the copy. */
export function copyCheckout(root: string, target: string): void {
  const files = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 },
  )
    .split('\0')
    .filter(Boolean);
  for (const file of files) {
    if (!existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(target, file)), { recursive: true });
    cpSync(join(root, file), join(target, file));
  }
  const members = ['packages', 'services'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name)),
  );
  for (const member of ['', ...members]) {
    if (existsSync(join(root, member, 'node_modules')))
      linkModules(root, target, join(member, 'node_modules'));
  }
}

function linkModules(root: string, target: string, folder: string): void {
  for (const name of readdirSync(join(root, folder))) {
    const entry = join(folder, name);
    if (name.startsWith('@') && name !== OURS) {
      linkModules(root, target, entry);
      continue;
    }
    if (name === OURS) {
      // Links within the copy, which would otherwise run the checkout's code.
      for (const own of readdirSync(join(root, entry)))
        link(
          realpathSync(join(root, entry, own)).replace(realpathSync(root), target),
          join(target, entry, own),
        );
    } else link(realpathSync(join(root, entry)), join(target, entry));
  }
}

function link(to: string, from: string): void {
  mkdirSync(dirname(from), { recursive: true });
  symlinkSync(to, from);
}

/** Plants a bug. @throws unless the text exists exactly once: the mutation must follow the code */
export function mutate(folder: string, { file, find, replace }: Mutation): void {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  const times = text.split(find).length - 1;
  if (times !== 1)
    throw new Error(`the planted bug is out of date: ${file} has ${times} times: ${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}
