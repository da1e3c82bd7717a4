import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const checksumAlgorithms = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** Length in bytes of each algorithm's digest. */
export const checksumLength: Record<ChecksumAlgorithm, number> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
};

/** The name in S3's XML documents, e.g. `ChecksumCRC32C`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm.toUpperCase()}`;
}

export type Checksum = { update(chunk: Buffer): void; digest(): Buffer };

/** A running checksum; `digest()` is big-endian, as S3's base64 values are. */
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
const crc32cTable = Int32Array.from({ length: 256 }, (_, byte) => {
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
        crc = (crc >>> 8) ^ (crc32cTable[(crc ^ (chunk[i] ?? 0)) & 0xff] ?? 0);
      value = crc;
    },
    digest: () => bigEndian(~value),
  };
}

// CRC-64/NVME, reflected polynomial, in two 32-bit halves: BigInt arithmetic per byte is some hundred times slower.
const crc64Low = new Int32Array(256);
const crc64High = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++)
    value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
  crc64Low[byte] = Number(BigInt.asIntN(32, value));
  crc64High[byte] = Number(BigInt.asIntN(32, value >> 32n));
}

function createCrc64(): Checksum {
  let low = -1;
  let high = -1;
  return {
    update: (chunk) => {
      for (let i = 0; i < chunk.length; i++) {
        const index = (low ^ (chunk[i] ?? 0)) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (crc64Low[index] ?? 0);
        high = (high >>> 8) ^ (crc64High[index] ?? 0);
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
