import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { needsSession, type Permission, PERMISSION_NAMES } from '../permissions.ts';

const PREFIX = 'mun_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
/** 62^43 > 2^256 and 62^6 > 2^32. */
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const PATTERN = /^mun_[0-9A-Za-z]{49}$/;

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n)
    text = (ALPHABET[Number(rest % 62n)] ?? '') + text;
  return text;
}

function checksumOf(secret: string): string {
  let text = '';
  for (let rest = crc32(secret); text.length < CHECKSUM_LENGTH; rest = Math.floor(rest / 62))
    text = (ALPHABET[rest % 62] ?? '') + text;
  return text;
}

/**
 * Creates an API token: `mun_`, 256 random bits and their CRC-32, both in base62.
 * The checksum is for secret scanners and typos; it does not stop a forger.
 */
export function createApiToken(): string {
  const bits = BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`);
  const secret = base62(bits, SECRET_LENGTH);
  return PREFIX + secret + checksumOf(secret);
}

/** Whether the text has the form of an API token, its checksum included. */
export function isApiToken(text: string): boolean {
  if (!PATTERN.test(text)) return false;
  const checksumAt = PREFIX.length + SECRET_LENGTH;
  return text.slice(checksumAt) === checksumOf(text.slice(PREFIX.length, checksumAt));
}

/** The stored form of an API token. 256 random bits need no slow hash. */
export const hashApiToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The permissions that need no session, which an API token can have. */
export const TOKEN_SCOPES: readonly Permission[] = PERMISSION_NAMES.filter(
  (permission) => !needsSession(permission),
);

export const isTokenScope = (value: unknown): value is Permission =>
  TOKEN_SCOPES.some((scope) => scope === value);
