import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** A secret that another process presents: the gateway its header, Prometheus its token. */
export interface SharedSecret {
  /** Whether this is one of the accepted values. The time tells nothing but the length. */
  matches(offered: unknown): boolean;
}

/** 256 bits in hex or base64url; no character that a header or nginx.conf would need to quote. */
const VALUE = /^[A-Za-z0-9_-]{43,128}$/;

/**
 * Reads accepted values from text, one a line. Two hold while the secret rotates.
 * @throws Error that names the file and never a value
 */
export function parseSharedSecret(text: string, file: string): SharedSecret {
  const lines = text.trimEnd().split(/\r?\n/);
  if (!lines.every((line) => VALUE.test(line)))
    throw new Error(
      `The secret in ${file} is malformed. Write 43 to 128 letters, digits, - or _ on each line.`,
    );
  const values = lines.map((line) => Buffer.from(line));
  return {
    matches(offered) {
      if (typeof offered !== 'string') return false;
      const bytes = Buffer.from(offered);
      // Each value is compared, so that the time does not tell which one was near.
      return values.map((value) => equal(value, bytes)).includes(true);
    },
  };
}

/** Reads a secret's file. @throws Error that names the file */
export async function loadSharedSecret(file: string): Promise<SharedSecret> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Error(`The secret ${file} cannot be read. Check its path and mode.`, { cause });
  });
  return parseSharedSecret(text, file);
}

const equal = (value: Buffer, offered: Buffer): boolean =>
  value.length === offered.length && timingSafeEqual(value, offered);
