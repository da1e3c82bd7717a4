const LF = 0x0a;
const START_BYTES = 1 << 20;
/** Far more than any line: an event has at most 16 KiB. */
export const MAX_LINE_BYTES = 16 << 20;

/** Receives a line without its LF. It may overwrite the bytes, which are valid until it returns. */
export type OnLine = (buffer: Buffer, from: number, to: number) => void;

export interface LineSplitter {
  /** @throws RangeError for a line of more than 16 MiB */
  push(chunk: Uint8Array): void;
  /** Bytes after the last LF. */
  readonly rest: number;
}

/** Cuts a stream of bytes into lines, in a reused buffer. */
export function createLineSplitter(onLine: OnLine): LineSplitter {
  let buffer = Buffer.allocUnsafeSlow(START_BYTES);
  let filled = 0;

  function takeLines(): void {
    let from = 0;
    for (let to = buffer.indexOf(LF); to >= 0 && to < filled; to = buffer.indexOf(LF, from)) {
      onLine(buffer, from, to);
      from = to + 1;
    }
    if (from === 0) return;
    buffer.copyWithin(0, from, filled);
    filled -= from;
  }

  return {
    push(chunk) {
      for (let taken = 0; taken < chunk.length;) {
        if (filled === buffer.length) {
          if (filled >= MAX_LINE_BYTES)
            throw new RangeError(`a line has more than ${MAX_LINE_BYTES} bytes`);
          const larger = Buffer.allocUnsafeSlow(2 * buffer.length);
          buffer.copy(larger);
          buffer = larger;
        }
        const part = chunk.subarray(taken, taken + buffer.length - filled);
        buffer.set(part, filled);
        taken += part.length;
        filled += part.length;
        takeLines();
      }
    },
    get rest() {
      return filled;
    },
  };
}
