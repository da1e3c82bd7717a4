export type VerifyErrorCode =
  | 'key_malformed'
  | 'note_malformed'
  | 'note_unverified'
  | 'signature_invalid'
  | 'checkpoint_malformed';

/** What is wrong with a key, a note or a checkpoint. */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code: VerifyErrorCode;

  constructor(code: VerifyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
