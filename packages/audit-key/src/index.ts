export { AuditKeyError, type AuditKeyErrorCode } from './errors.ts';
export { loadLogKeys, type LogKeys } from './load-log-keys.ts';
export { rotateKeys, verifierLines } from './rotate-keys.ts';
export {
  createSigner,
  generateSigningKey,
  parseSigningKey,
  type NoteSigner,
} from './signing-key.ts';
export { signNote } from './sign-note.ts';
