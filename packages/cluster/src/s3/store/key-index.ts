import { join } from 'node:path';
import { readdir } from 'node:fs/promises';

/** The keys of a bucket in S3's order (UTF-8 bytes), in memory. */
export type KeyIndex = string[];

// A file name holds at most 255 bytes, and an encoded key of 1,024 bytes up to 3,072.
const PIECE_LENGTH = 200;
const FOLDER_SUFFIX = '~';
const FILE_SUFFIX = '.object';

/**
 * The path of a key's object below the bucket's `objects` folder.
 * Encoding and suffix keep a key like `../x` inside the folder.
 */
export function keyToPath(key: string): string {
  const encoded = [...Buffer.from(key)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  const pieces = encoded.match(new RegExp(`.{1,${PIECE_LENGTH}}`, 'g')) ?? [];
  return pieces
    .map((piece, i) => piece + (i < pieces.length - 1 ? FOLDER_SUFFIX : FILE_SUFFIX))
    .join('/');
}

/** Reads all keys from the names below an `objects` folder. */
export async function loadKeys(folder: string): Promise<KeyIndex> {
  const keys: Buffer[] = [];
  async function walk(path: string, prefix: string): Promise<void> {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name.endsWith(FOLDER_SUFFIX)) {
        await walk(join(path, entry.name), prefix + entry.name.slice(0, -FOLDER_SUFFIX.length));
      } else if (entry.isFile() && entry.name.endsWith(FILE_SUFFIX)) {
        const encoded = prefix + entry.name.slice(0, -FILE_SUFFIX.length);
        keys.push(
          Buffer.from(
            encoded.replace(/%([0-9a-f]{2})/g, (_, hex: string) =>
              String.fromCharCode(Number.parseInt(hex, 16)),
            ),
            'latin1',
          ),
        );
      }
    }
  }
  await walk(folder, '');
  return keys.sort((a, b) => a.compare(b)).map(String);
}

/** The position of the first key that is not before `key`. */
export function lowerBound(keys: KeyIndex, key: string): number {
  const wanted = Buffer.from(key);
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(Buffer.from(keys[middle] ?? ''), wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function hasKey(keys: KeyIndex, key: string): boolean {
  return keys[lowerBound(keys, key)] === key;
}

export function addKey(keys: KeyIndex, key: string): void {
  const at = lowerBound(keys, key);
  if (keys[at] !== key) keys.splice(at, 0, key);
}

export function removeKey(keys: KeyIndex, key: string): void {
  const at = lowerBound(keys, key);
  if (keys[at] === key) keys.splice(at, 1);
}
