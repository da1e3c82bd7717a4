import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';

const root = join(import.meta.dirname, '..');
const pages = [
  ...readdirSync(root),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('docs', name),
  ),
].filter((name) => name.endsWith('.md'));
const read = (page: string): string => readFileSync(join(root, page), 'utf8');
const exists = (path: string): boolean =>
  statSync(join(root, path), { throwIfNoEntry: false }) !== undefined;

/** The files of the checkout below a folder, without dependencies. */
const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });

/** The anchors that GitHub gives to a page's headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every test file that the documentation names exists', (t) => {
  let named = 0;
  for (const page of pages) {
    for (const [, file = ''] of read(page).matchAll(/([\w./-]+\/[\w.-]+\.test\.ts)/g)) {
      t.ok(exists(file), `${file} in ${page}`);
      named += 1;
    }
  }
  t.ok(named > 50, `${named} test files are named`);
  t.end();
});

test('every link between pages leads to a file and a heading', (t) => {
  for (const page of pages) {
    for (const [, link = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!exists(target)) t.fail(`${link} in ${page}`);
      else if (anchor !== undefined)
        t.ok(anchors(read(target)).includes(anchor), `${link} in ${page}`);
    }
  }
  t.end();
});

test('every page that code or configuration names exists', (t) => {
  const files = ['packages', 'services', 'scripts', 'test', 'docker', 'nginx'].flatMap(filesBelow);
  let named = 0;
  for (const file of [...files, 'Makefile', 'Dockerfile', 'docker-compose.yml']) {
    for (const [page] of read(file).matchAll(/\bdocs\/[a-z/-]+\.md\b/g)) {
      t.ok(exists(page), `${page} in ${file}`);
      named += 1;
    }
  }
  t.ok(named > 8, `${named} pages are named`);
  t.end();
});
