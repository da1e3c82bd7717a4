import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const CHECKSUM_ALGORITHMS = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

/** A checksum as stored with an object and shown in answers. */
export interface ObjectChecksum {
  algorithm: ChecksumAlgorithm;
  /** base64; a composite one ends with the number of parts, e.g. `-3`. */
  value: string;
  type: 'FULL_OBJECT' | 'COMPOSITE';
}

/** Length of each algorithm's digest. */
export const CHECKSUM_BYTES: Record<ChecksumAlgorithm, number> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
};

/** The element's name in S3's XML documents, e.g. `ChecksumCRC32C`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm.toUpperCase()}`;
}

export interface Checksum {
  update(chunk: Buffer): void;
  digest(): Buffer;
}

/** Creates a running checksum. Its digest is big-endian, as S3's base64 values are. */
export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  if (algorithm === 'crc32') return createCrc32();
  if (algorithm === 'crc32c') return createCrc32c();
  if (algorithm === 'crc64nvme') return createCrc64();
  const hash = createHash(algorithm);
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() };
}

function createCrc32(): Checksum {
  let value = 0;
  return {
    update: (chunk) => {
      value = crc32(chunk, value);
    },
    digest: () => bigEndian(value),
  };
}

// Castagnoli, reflected (RFC 3720 appendix B.4).
const CRC32C_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function createCrc32c(): Checksum {
  let value = -1;
  return {
    update: (chunk) => {
      let crc = value;
      for (let i = 0; i < chunk.length; i++)
        crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ (chunk[i] ?? 0)) & 0xff] ?? 0);
      value = crc;
    },
    digest: () => bigEndian(~value),
  };
}

// CRC-64/NVME, reflected polynomial, in two 32-bit halves.
// BigInt arithmetic per byte is some hundred times slower.
const CRC64_LOW = new Int32Array(256);
const CRC64_HIGH = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++)
    value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
  CRC64_LOW[byte] = Number(BigInt.asIntN(32, value));
  CRC64_HIGH[byte] = Number(BigInt.asIntN(32, value >> 32n));
}

function createCrc64(): Checksum {
  let low = -1;
  let high = -1;
  return {
    update: (chunk) => {
      for (let i = 0; i < chunk.length; i++) {
        const index = (low ^ (chunk[i] ?? 0)) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (CRC64_LOW[index] ?? 0);
        high = (high >>> 8) ^ (CRC64_HIGH[index] ?? 0);
      }
    },
    digest: () => Buffer.concat([bigEndian(~high), bigEndian(~low)]),
  };
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
