import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_NAME_LENGTH = 60;

/** `create-table-name` as `create_table_name`. @throws for a name that no file could have */
export function parseName(name: string | undefined, example: string): string {
  const snake = (name ?? '')
    .trim()
    .toLowerCase()
    .replaceAll(/[-\s]+/g, '_');
  if (!/^[a-z][a-z0-9_]*$/.test(snake) || snake.length > MAX_NAME_LENGTH)
    throw new Error(
      `The name ${JSON.stringify(name ?? '')} is invalid. Give letters, digits and hyphens, ` +
        `at most ${MAX_NAME_LENGTH}: ${example}`,
    );
  return snake;
}

/** Writes `NNNN_<name>.ts` behind the highest number. @returns its path */
export async function writeNumberedFile(
  folder: string,
  name: string,
  content: string,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const numbers = (await readdir(folder)).map((file) => Number(/^(\d{4})_/.exec(file)?.[1] ?? 0));
  const next = String(Math.max(0, ...numbers) + 1).padStart(4, '0');
  const path = join(folder, `${next}_${name}.ts`);
  await writeFile(path, content, { flag: 'wx' });
  return path;
}
