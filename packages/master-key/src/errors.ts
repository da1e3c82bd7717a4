export type MasterKeyErrorCode =
  | 'master_key_unreadable'
  | 'master_key_malformed'
  | 'master_key_mismatch'
  | 'master_key_unwrap_failed';

/** A master key that cannot be used. The message never holds key material. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError';
  readonly code: MasterKeyErrorCode;

  constructor(code: MasterKeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
