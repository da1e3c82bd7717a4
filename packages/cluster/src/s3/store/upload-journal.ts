import { constants, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChecksumAlgorithm, ObjectChecksum } from '../protocol/checksums.ts';
import type { Extent } from './extent.ts';

// An upload is two files: `<id>.data` holds its parts and becomes the object, `<id>.journal` says
// where they lie. One of them alone is what a killed process left.

export interface Upload {
  id: string;
  key: string;
  /** Milliseconds since the epoch. */
  initiated: number;
  headers: Record<string, string>;
  checksum: { algorithm: ChecksumAlgorithm; type: ObjectChecksum['type'] } | undefined;
}

export interface Part {
  number: number;
  size: number;
  etag: string;
  /** Milliseconds since the epoch. */
  lastModified: number;
  checksum: ObjectChecksum | undefined;
  /** Where its bytes lie in the data file. */
  extent: Extent;
}

export interface OpenUpload extends Upload {
  parts: Map<number, Part>;
  /** Extents in order, also those of parts that are being written. */
  taken: Extent[];
}

export function uploadFiles(folder: string, id: string): { data: string; journal: string } {
  return { data: join(folder, `${id}.data`), journal: join(folder, `${id}.journal`) };
}

/** Creates both files. Their names are on the disk once the folder is flushed. */
export async function createUploadFiles(
  folder: string,
  upload: Upload,
  durable: boolean,
): Promise<void> {
  const { data, journal } = uploadFiles(folder, upload.id);
  await writeFile(data, '', { flag: 'wx', mode: 0o600 });
  await appendLine(journal, upload, { flags: 'ax', durable });
}

export async function deleteUploadFiles(folder: string, id: string): Promise<void> {
  const { data, journal } = uploadFiles(folder, id);
  await Promise.all([rm(data, { force: true }), rm(journal, { force: true })]);
}

/** Appends a part to its upload's journal. It is on the disk when this resolves. */
export async function appendPart(journal: string, part: Part, durable: boolean): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_APPEND;
  await appendLine(journal, part, { flags, durable });
}

async function appendLine(
  journal: string,
  record: Upload | Part,
  { flags, durable }: { flags: string | number; durable: boolean },
): Promise<void> {
  const handle = await open(journal, flags, 0o600);
  try {
    // The line break comes first: the record does not continue one that was torn.
    await handle.writeFile(`\n${JSON.stringify(record)}`);
    if (durable) await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Reads all open uploads, and the names of files that belong to none. */
export async function loadUploads(
  folder: string,
): Promise<{ uploads: Map<string, OpenUpload>; leftovers: string[] }> {
  const names = new Set(await readdir(folder));
  const uploads = new Map<string, OpenUpload>();
  for (const name of names) {
    const [, id] = /^([0-9a-f]{48})\.journal$/.exec(name) ?? [];
    if (id === undefined || !names.has(`${id}.data`)) continue;
    const upload = readJournal(await readFile(join(folder, name), 'utf8'));
    if (upload?.id === id) uploads.set(id, upload);
  }
  const leftovers = [...names].filter((name) => !uploads.has(name.split('.')[0] ?? ''));
  return { uploads, leftovers };
}

function readJournal(text: string): OpenUpload | undefined {
  const [upload, ...parts] = text.split('\n').slice(1).map(parseRecord);
  // Torn at its start, it was never acknowledged.
  if (!upload || !('key' in upload)) return undefined;
  const open: OpenUpload = { ...upload, parts: new Map(), taken: [] };
  for (const part of parts) if (part && 'number' in part) open.parts.set(part.number, part);
  open.taken = [...open.parts.values()]
    .map(({ extent }) => extent)
    .toSorted((a, b) => a.start - b.start || a.size - b.size);
  return open;
}

function parseRecord(line: string): Upload | Part | undefined {
  try {
    const record: Upload | Part = JSON.parse(line);
    return record;
  } catch {
    // Torn by a crash, so never acknowledged.
    return undefined;
  }
}
