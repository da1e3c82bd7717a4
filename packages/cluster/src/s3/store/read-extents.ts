import { read } from 'node:fs';
import { promisify } from 'node:util';
import { BLOCK_BYTES } from './block-pool.ts';
import type { Extent } from './extent.ts';
import type { SealedFile } from './sealed-file.ts';

const readInto = promisify(read);

/** Pieces of at most a block. */
export function* splitExtents(extents: Extent[]): Generator<Extent> {
  for (const { start, size } of extents)
    for (let done = 0; done < size; done += BLOCK_BYTES)
      yield { start: start + done, size: Math.min(BLOCK_BYTES, size - done) };
}

/** Fills a buffer from a file. @throws when it ends before */
export async function readFully(fd: number, into: Buffer, start: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await readInto(fd, into, done, into.length - done, start + done);
    if (bytesRead === 0) throw new Error('The file ends before its object does.');
    done += bytesRead;
  }
}

/** Reads pieces of a file one after another, each into memory of its own. */
export async function* readExtents(
  content: SealedFile<unknown>['content'],
  extents: Extent[],
): AsyncGenerator<Buffer[]> {
  for (const { start, size } of splitExtents(extents)) {
    const buffer = Buffer.allocUnsafeSlow(size);
    if ('block' in content) content.block.copy(buffer, 0, start);
    else await readFully(content.fd, buffer, start);
    yield [buffer];
  }
}
