export type AuditKeyErrorCode =
  | 'audit_key_unreadable'
  | 'audit_key_malformed'
  | 'audit_key_misnamed';

/** A key of the log that cannot be used. The message never holds key material. */
export class AuditKeyError extends Error {
  override readonly name = 'AuditKeyError';
  readonly code: AuditKeyErrorCode;

  constructor(code: AuditKeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
