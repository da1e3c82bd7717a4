import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const ROOT = path.join(import.meta.dirname, '../../../..');
const SOURCE = path.join(ROOT, 'nginx/pages');
/** The documents that the front page links to. */
export const DOCUMENTS = ['api.md', 'authentication.md', 'permissions.md', 'audit.md'];
/** For programs; the page of /api/docs reads the first. */
export const API_DOCUMENTS = ['openapi.json', 'asyncapi.json', 'asyncapi.yaml'];
/** Of the package swagger-ui-dist. */
export const SWAGGER_UI = ['swagger-ui-bundle.js', 'swagger-ui.css'];
/** Nginx sends the compressed copy to clients that take it: 0.5 MB instead of 2.4 MB. */
const COMPRESSED = new Set([...API_DOCUMENTS, ...SWAGGER_UI]);
/** Only root writes here, and nginx's workers, which run as nobody, may read. */
const SHARED_FOLDER = '/var/lib/muniment-pages';
const READABLE_FOLDER = 0o755;
const READABLE_FILE = 0o644;

/**
 * Copies the gateway's pages to a folder that nginx's workers can read, and returns it.
 * Under root the checkout and DATA may lie in a closed folder such as /root.
 */
export function preparePages(dir: string, { root }: { root: boolean }): string {
  const files = pageFiles();
  const own = path.join(dir, 'pages');
  if (root) {
    try {
      return copyShared(files);
    } catch {
      // A read-only machine. The fleet starts, and its pages may be missing.
    }
  }
  rmSync(own, { recursive: true, force: true });
  copyPages(files, own);
  return own;
}

/** Named by its content, so that fleets of several checkouts do not disturb each other. */
function copyShared(files: readonly PageFile[]): string {
  const hash = createHash('sha256');
  for (const { name, source } of files) hash.update(name).update(readFileSync(source));
  const folder = path.join(SHARED_FOLDER, hash.digest('hex').slice(0, 16));
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  copyPages(files, partial);
  chmodSync(SHARED_FOLDER, READABLE_FOLDER);
  try {
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // Else another start was faster.
  }
  return folder;
}

interface PageFile {
  /** Its path under the folder of the pages. */
  name: string;
  source: string;
}

function pageFiles(): PageFile[] {
  return [
    ...readdirSync(SOURCE).map((name) => ({ name, source: path.join(SOURCE, name) })),
    ...DOCUMENTS.map((name) => ({ name: `docs/${name}`, source: path.join(ROOT, 'docs', name) })),
    ...API_DOCUMENTS.map((name) => ({ name, source: path.join(ROOT, 'docs', name) })),
    ...SWAGGER_UI.map((name) => ({ name, source: path.join(swaggerFolder(), name) })),
  ];
}

/** @throws when the packages are older than the checkout */
function swaggerFolder(): string {
  const { resolve } = createRequire(import.meta.url);
  try {
    return path.dirname(resolve('swagger-ui-dist/package.json'));
  } catch (cause) {
    throw new Error('swagger-ui-dist is not installed: run make bootstrap', { cause });
  }
}

/** Modes are set, since the umask may close them to other users. */
function copyPages(files: readonly PageFile[], folder: string): void {
  for (const { name, source } of files) {
    const target = path.join(folder, name);
    mkdirSync(path.dirname(target), { recursive: true });
    chmodSync(folder, READABLE_FOLDER);
    chmodSync(path.dirname(target), READABLE_FOLDER);
    copyFileSync(source, target);
    chmodSync(target, READABLE_FILE);
    if (!COMPRESSED.has(name)) continue;
    writeFileSync(`${target}.gz`, gzipSync(readFileSync(source), { level: 9 }));
    chmodSync(`${target}.gz`, READABLE_FILE);
  }
}
