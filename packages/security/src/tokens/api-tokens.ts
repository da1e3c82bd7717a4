import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isPermission, type Permission, PERMISSIONS } from '../permissions.ts';

const prefix = 'mun_';
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 > 2^256 and 62^6 > 2^32. */
const secretLength = 43;
const checksumLength = 6;
const pattern = /^mun_[0-9A-Za-z]{49}$/;

const base62 = (value: bigint, length: number): string => {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n)
    text = (alphabet[Number(rest % 62n)] ?? '') + text;
  return text;
};

const checksumOf = (secret: string): string => {
  let text = '';
  for (let rest = crc32(secret); text.length < checksumLength; rest = Math.floor(rest / 62))
    text = (alphabet[rest % 62] ?? '') + text;
  return text;
};

/**
 * A new API token, 53 characters: `mun_`, 256 random bits and the CRC-32 of their 43 characters, both in base62. By the checksum a scanner for leaked
 * secrets knows one without asking anybody, and what was mistyped or made up is refused without a look at the database. It keeps no forger out.
 */
export const createApiToken = (): string => {
  const secret = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), secretLength);
  return prefix + secret + checksumOf(secret);
};

/** Whether the text has the form of an API token, its checksum too. */
export const isApiToken = (text: string): boolean => {
  if (!pattern.test(text)) return false;
  const checksumAt = prefix.length + secretLength;
  return text.slice(checksumAt) === checksumOf(text.slice(prefix.length, checksumAt));
};

/** The form in which an API token is stored. 256 random bits need no slow hash. */
export const hashApiToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** What an API token can be made to allow: what needs no session. */
export const TOKEN_SCOPES: readonly Permission[] = Object.keys(PERMISSIONS)
  .filter(isPermission)
  .filter((permission) => !PERMISSIONS[permission].sessionOnly);

export const isTokenScope = (value: unknown): value is Permission =>
  TOKEN_SCOPES.some((scope) => scope === value);
