import { closeSync, fdatasync, fstatSync, openSync, readSync, writevSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { BLOCK_BYTES, returnBlock, takeBlock } from './block-pool.ts';
import { dropBytes, freeMemory, writeBatches } from './write-batches.ts';

// Format: data ‖ JSON record ‖ its length (4 bytes) ‖ mark.
// Both share a file, so that one rename publishes both.
const MARK = Buffer.from('MUS3');
const FOOTER_BYTES = 8;
// Holds most records, which saves a second read.
const TAIL = Buffer.alloc(2048);
// Calls that touch only memory are made at once for small files: a thread costs more than they do.
const SMALL_BYTES = 256 * 1024;

const flushData = promisify(fdatasync);

/** A file of this format. Its data starts at offset 0. The caller closes it. */
export interface SealedFile<R> {
  record: R;
  /** A small file's bytes, or the descriptor of a large one. */
  content: { block: Buffer } | { fd: number };
}

/** A file to write. `seal` makes its record after the last byte of `data`. */
interface NewFile {
  data: AsyncIterable<Buffer[]>;
  /** Bytes of `data`. */
  size: number;
  seal(): unknown;
  durable: boolean;
}

/** The end of a file of this format. */
export function encodeFooter(record: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, length, MARK]);
}

/** Writes data, then the record of `seal`. After an error the caller deletes the file. */
export function writeSealed(path: string, file: NewFile): Promise<void> {
  return file.size <= SMALL_BYTES ? writeSmall(path, file) : writeLarge(path, file);
}

async function writeSmall(path: string, { data, seal, durable }: NewFile): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const batch of data) chunks.push(...batch);
  let rest = [...chunks, encodeFooter(seal())];
  const fd = openSync(path, 'wx', 0o600);
  try {
    while (rest.length > 0) rest = dropBytes(rest, writevSync(fd, rest));
    chunks.forEach(freeMemory);
    if (durable) await flushData(fd);
  } finally {
    closeSync(fd);
  }
}

async function writeLarge(path: string, { data, seal, durable }: NewFile): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await writeBatches(handle, data, { position: 0, end: () => encodeFooter(seal()) });
    if (durable) await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Opens a file written by `writeSealed`; undefined when it does not exist. */
export function openSealed<R>(path: string): SealedFile<R> | undefined {
  const fd = openExisting(path);
  if (fd === undefined) return undefined;
  let isLarge = false;
  try {
    const { size } = fstatSync(fd);
    const record: R = readFooter(fd, { size, path });
    isLarge = size > BLOCK_BYTES;
    if (isLarge) return { record, content: { fd } };
    const block = takeBlock();
    readSync(fd, block, 0, size, 0);
    return { record, content: { block } };
  } finally {
    if (!isLarge) closeSync(fd);
  }
}

export function closeSealed({ content }: SealedFile<unknown>): void {
  if ('block' in content) returnBlock(content.block);
  else closeSync(content.fd);
}

/** Reads only the record; undefined when the file does not exist. */
export function readRecord<R>(path: string): R | undefined {
  const fd = openExisting(path);
  if (fd === undefined) return undefined;
  try {
    const record: R = readFooter(fd, { size: fstatSync(fd).size, path });
    return record;
  } finally {
    closeSync(fd);
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readFooter<R>(fd: number, { size, path }: { size: number; path: string }): R {
  let tail = readTail(fd, size, TAIL);
  const length =
    tail.length < FOOTER_BYTES || !tail.subarray(-4).equals(MARK)
      ? -1
      : tail.readUInt32BE(tail.length - FOOTER_BYTES);
  if (length < 0 || length + FOOTER_BYTES > size) throw new Error(`${path} is not an object file.`);
  if (length + FOOTER_BYTES > tail.length)
    tail = readTail(fd, size, Buffer.alloc(length + FOOTER_BYTES));
  const record: R = JSON.parse(
    tail.toString('utf8', tail.length - FOOTER_BYTES - length, tail.length - FOOTER_BYTES),
  );
  return record;
}

function readTail(fd: number, size: number, into: Buffer): Buffer {
  const bytes = Math.min(size, into.length);
  return into.subarray(0, readSync(fd, into, 0, bytes, size - bytes));
}
