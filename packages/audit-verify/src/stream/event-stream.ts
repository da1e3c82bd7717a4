import { createLineSplitter } from '../export/lines.ts';

/** One server-sent event of a recording. */
export interface RecordedEvent {
  name: string;
  data: Buffer;
  /** Of its data, from 1. */
  line: number;
}

const LF = Buffer.from('\n');
const CR = 0x0d;

/**
 * Reads recorded bytes as WHATWG HTML 9.2.6 says. An event without its empty line, as a cut
 * connection leaves it, never took place.
 */
export function createEventReader(
  onEvent: (event: RecordedEvent) => void,
): (chunk: Uint8Array) => void {
  let line = 0;
  let name = '';
  let data: Buffer[] = [];
  let dataLine = 0;

  function readField(text: Buffer): void {
    const colon = text.indexOf(':');
    const field = text.toString('utf8', 0, colon < 0 ? text.length : colon);
    const valueAt = colon < 0 ? text.length : colon + (text[colon + 1] === 0x20 ? 2 : 1);
    if (field === 'event') name = text.toString('utf8', valueAt);
    if (field !== 'data') return;
    if (data.length === 0) dataLine = line;
    else data.push(LF);
    // Copied: the splitter uses its buffer again.
    data.push(Buffer.from(text.subarray(valueAt)));
  }

  const splitter = createLineSplitter((buffer, from, to) => {
    line += 1;
    const end = to > from && buffer[to - 1] === CR ? to - 1 : to;
    if (end > from) return readField(buffer.subarray(from, end));
    if (data.length > 0) onEvent({ name, data: Buffer.concat(data), line: dataLine });
    name = '';
    data = [];
  });
  return (chunk) => splitter.push(chunk);
}
