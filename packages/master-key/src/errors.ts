export type MasterKeyErrorCode =
  | 'master_key_unreadable'
  | 'master_key_malformed'
  | 'master_key_mismatch'
  | 'master_key_unwrap_failed';

/** What can go wrong with the master key. `message` never holds key material. */
export type MasterKeyError = Error & { code: MasterKeyErrorCode };

export const masterKeyError = (
  code: MasterKeyErrorCode,
  message: string,
  cause?: unknown,
): MasterKeyError =>
  Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
