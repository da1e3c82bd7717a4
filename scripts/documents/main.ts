/**
 * `node scripts/documents/main.ts`: writes the API documents, the page of the AsyncAPI document and
 * the client. `--check` writes nothing and exits 1 when one is stale.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderClient } from './client/render-client.ts';
import { renderDocuments } from './render-documents.ts';

const root = join(import.meta.dirname, '../..');

async function main(check: boolean): Promise<void> {
  const documents = await renderDocuments();
  const openapi = documents.find(([file]) => file === 'docs/openapi.json')?.[1] ?? '';
  for (const [file, wanted] of [...documents, ...(await renderClient(openapi))]) {
    const present = await readFile(join(root, file), 'utf8').catch(() => '');
    if (present === wanted) continue;
    if (check) {
      console.error(`${file} is stale: run make documents`);
      process.exitCode = 1;
      continue;
    }
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), wanted);
  }
}

await main(parseArgs({ options: { check: { type: 'boolean', default: false } } }).values.check);
