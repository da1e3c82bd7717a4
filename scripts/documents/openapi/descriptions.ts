import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = join(import.meta.dirname, '../../../docs/routes');

/** What schemas do not say of an operation, in Markdown: docs/routes/<operation>.md. */
export const descriptions: ReadonlyMap<string, string> = new Map(
  readdirSync(folder)
    .toSorted()
    .map((file) => [basename(file, '.md'), readFileSync(join(folder, file), 'utf8').trim()]),
);

/** @throws when a description names no operation */
export function requireOperations(operations: ReadonlySet<string>): void {
  for (const name of descriptions.keys())
    if (!operations.has(name)) throw new Error(`docs/routes/${name}.md names no operation`);
}
