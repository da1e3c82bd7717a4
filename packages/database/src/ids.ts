import { randomBytes } from 'node:crypto';

const COUNTER_MAX = 0xfff;
let last = { unixMs: 0, counter: 0 };

/**
 * The next counter of a millisecond, from a random start in the lower half (RFC 9562 §6.2, method
 * 1).
 */
function nextCounter(unixMs: number, start: number): number {
  const counter =
    unixMs === last.unixMs && last.counter < COUNTER_MAX
      ? last.counter + 1
      : start & (COUNTER_MAX >> 1);
  last = { unixMs, counter };
  return counter;
}

/**
 * UUIDv7 (RFC 9562 §5.7) as text. Up to 2,000 ids that one process makes for one millisecond sort
 * in the order they were made. The `uuid` package promises that only without a given time, which
 * events need.
 * @param unixMs milliseconds since the epoch
 * @param random at least 10 bytes that fix all random bits; otherwise fresh ones and a counter
 */
export function uuidv7(unixMs: number, random?: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(unixMs, 0, 6);
  (random ?? randomBytes(10)).copy(bytes, 6, 0, 10);
  if (!random) bytes.writeUInt16BE(nextCounter(unixMs, bytes.readUInt16BE(6)), 6);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  const hex = bytes.toString('hex');
  return (
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-` +
    `${hex.slice(16, 20)}-${hex.slice(20)}`
  );
}
