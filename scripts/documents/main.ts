/**
 * `node scripts/documents/main.ts`: writes docs/openapi.json.
 * `--check` writes nothing and exits 1 when it is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderOpenapi } from './openapi.ts';

const root = join(import.meta.dirname, '../..');

async function main(check: boolean): Promise<void> {
  for (const [file, wanted] of [['docs/openapi.json', await renderOpenapi()]] as const) {
    const present = await readFile(join(root, file), 'utf8').catch(() => '');
    if (present === wanted) continue;
    if (check) {
      console.error(`${file} is stale: run make documents`);
      process.exitCode = 1;
    } else await writeFile(join(root, file), wanted);
  }
}

await main(parseArgs({ options: { check: { type: 'boolean', default: false } } }).values.check);
