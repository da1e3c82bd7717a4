export interface FilePart {
  name: string;
  type: string;
  /** The bytes, from the beginning at each call, in pieces of at most `PIECE_SIZE`. */
  open(): AsyncIterable<Uint8Array>;
}

/** Small enough that progress moves, and that a huge file is not read into memory at once. */
const PIECE_SIZE = 64 * 1024;

/** Not by `stream()`: Node hands out all bytes of a blob as one piece. */
export async function* readBlob(blob: Blob): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < blob.size; at += PIECE_SIZE)
    yield new Uint8Array(await blob.slice(at, at + PIECE_SIZE).arrayBuffer());
}

export async function* readStream(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (let at = 0; at < value.byteLength; at += PIECE_SIZE)
        yield value.subarray(at, at + PIECE_SIZE);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** As browsers spell a name in a form (WHATWG HTML, "multipart/form-data encoding"). */
const escapeName = (name: string): string =>
  name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** A value with a line end would be a header of its own. */
const escapeType = (type: string): string =>
  /^[\x20-\x7e]+$/.test(type) ? type : 'application/octet-stream';

export function createBoundary(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `muniment-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

async function* generateForm(
  part: FilePart,
  { boundary, onBytes }: { boundary: string; onBytes(count: number): void },
): AsyncGenerator<Uint8Array, void, void> {
  const encoder = new TextEncoder();
  yield encoder.encode(
    `--${boundary}\r\n` +
      `Content-Disposition: form-data; name="file"; filename="${escapeName(part.name)}"\r\n` +
      `Content-Type: ${escapeType(part.type)}\r\n\r\n`,
  );
  for await (const piece of part.open()) {
    yield piece;
    // Asked for more: the connection has taken this piece.
    onBytes(piece.byteLength);
  }
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}

/** The form with one file, made as the connection takes it. */
export function streamForm(
  part: FilePart,
  options: { boundary: string; onBytes(count: number): void },
): ReadableStream<Uint8Array> {
  const pieces = generateForm(part, options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await pieces.return()),
    },
    // Nothing is read ahead, so that progress is what the connection took.
    { highWaterMark: 0 },
  );
}
