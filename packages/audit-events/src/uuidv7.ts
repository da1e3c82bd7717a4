import { randomBytes } from 'node:crypto';

const COUNTER_MAX = 0xfff;
let last = { unixMs: 0, counter: 0 };

/** The next of a millisecond's numbers, which begin at random in their lower half (RFC 9562 §6.2, method 1). */
function count(unixMs: number, start: number): number {
  const counter =
    unixMs === last.unixMs && last.counter < COUNTER_MAX
      ? last.counter + 1
      : start & (COUNTER_MAX >> 1);
  last = { unixMs, counter };
  return counter;
}

/**
 * UUIDv7 (RFC 9562 §5.7) as text. Ids that one process makes one after the other are in that order, also within a millisecond, unless it makes more than
 * 2,000 in it.
 * @param unixMs milliseconds since the epoch
 * @param random at least 10 bytes for all random bits, when the id must follow from them; fresh ones and a counter when absent
 */
export function uuidv7(unixMs: number, random?: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(unixMs, 0, 6);
  (random ?? randomBytes(10)).copy(bytes, 6, 0, 10);
  if (!random) bytes.writeUInt16BE(count(unixMs, bytes.readUInt16BE(6)), 6);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
