import { createHash } from 'node:crypto';
import { S3Error } from './errors.ts';
import { sameSignature, sha256, type Authorization } from './signature.ts';

const EMPTY_SHA256 = sha256('');
const MAX_LINE_BYTES = 4096;

interface DecodeOptions {
  /** Absent: chunks are unsigned. */
  signing: Authorization | undefined;
  trailing: boolean;
  onTrailer: (name: string, value: string) => void;
}

interface ByteReader {
  /** The next line without its CRLF. */
  line(): Promise<string>;
  /** Between 1 and `max` bytes. */
  some(max: number): Promise<Buffer>;
  /** Whether everything has been read. */
  ended(): Promise<boolean>;
}

/**
 * Decodes an aws-chunked body as it arrives (S3 API Reference, "Transferring payload in chunks").
 * A signature is verified after its chunk: discard what was read when this throws.
 */
export async function* decodeChunks(
  source: AsyncIterable<Buffer>,
  options: DecodeOptions,
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    yield* decode(createReader(iterator), options);
  } finally {
    // Releases the request, so that the rest of its body can be drained.
    await iterator.return?.();
  }
}

async function* decode(reader: ByteReader, options: DecodeOptions): AsyncGenerator<Buffer> {
  const { signing } = options;
  let previous = signing?.signature ?? '';
  for (;;) {
    const { size, signature } = parseChunkHeader(await reader.line());
    const hash = createHash('sha256');
    for (let left = size; left > 0;) {
      const bytes = await reader.some(left);
      left -= bytes.length;
      if (signing) hash.update(bytes);
      yield bytes;
    }
    if (signing) {
      const expected = signing.sign('PAYLOAD', previous, EMPTY_SHA256, hash.digest('hex'));
      if (!sameSignature(expected, signature))
        throw new S3Error('SignatureDoesNotMatch', 'The signature of a chunk does not match.');
      previous = expected;
    }
    if (size === 0) break;
    if ((await reader.line()) !== '') throw malformedChunk();
  }
  if (options.trailing) await readTrailer(reader, previous, options);
  else if (!(await reader.ended()) && (await reader.line()) !== '') throw malformedChunk();
  if (!(await reader.ended())) throw malformedChunk();
}

async function readTrailer(
  reader: ByteReader,
  previous: string,
  { signing, onTrailer }: DecodeOptions,
): Promise<void> {
  let canonical = '';
  let signature = '';
  while (!(await reader.ended())) {
    const line = await reader.line();
    if (line === '') break;
    const colon = line.indexOf(':');
    if (colon < 1) throw new S3Error('MalformedTrailerError');
    const [name, value] = [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    if (name === 'x-amz-trailer-signature') {
      signature = value;
    } else {
      canonical += `${name}:${value}\n`;
      onTrailer(name, value);
    }
  }
  if (signing && !sameSignature(signing.sign('TRAILER', previous, sha256(canonical)), signature)) {
    throw new S3Error('SignatureDoesNotMatch', 'The signature of the trailer does not match.');
  }
}

function parseChunkHeader(line: string): { size: number; signature: string } {
  const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
  if (!match?.[1]) throw malformedChunk();
  return { size: Number.parseInt(match[1], 16), signature: match[2] ?? '' };
}

function malformedChunk(): S3Error {
  return new S3Error('InvalidRequest', 'The chunked body is not well formed.');
}

function createReader(iterator: AsyncIterator<Buffer>): ByteReader {
  let pending: Buffer = Buffer.alloc(0);

  async function fill(): Promise<boolean> {
    const next = await iterator.next();
    if (next.done) return false;
    pending = pending.length === 0 ? next.value : Buffer.concat([pending, next.value]);
    return true;
  }

  return {
    line: async () => {
      for (;;) {
        const end = pending.indexOf('\r\n');
        if (end > MAX_LINE_BYTES || (end < 0 && pending.length > MAX_LINE_BYTES))
          throw malformedChunk();
        if (end >= 0) {
          const line = pending.toString('latin1', 0, end);
          pending = pending.subarray(end + 2);
          return line;
        }
        if (!(await fill())) throw new S3Error('IncompleteBody');
      }
    },
    some: async (max) => {
      while (pending.length === 0) if (!(await fill())) throw new S3Error('IncompleteBody');
      const bytes = pending.subarray(0, max);
      pending = pending.subarray(bytes.length);
      return bytes;
    },
    ended: async () => {
      while (pending.length === 0) if (!(await fill())) return true;
      return false;
    },
  };
}
