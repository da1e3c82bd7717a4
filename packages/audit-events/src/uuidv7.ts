import { randomBytes } from 'node:crypto';

/**
 * UUIDv7 (RFC 9562 §5.7) as text.
 * @param unixMs milliseconds since the epoch
 * @param random at least 10 bytes for the random bits; fresh ones when absent
 */
export function uuidv7(unixMs: number, random: Buffer = randomBytes(10)): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(unixMs, 0, 6);
  random.copy(bytes, 6, 0, 10);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
