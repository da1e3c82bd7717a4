export { createCompactRange, subtreeHeights, type CompactRange } from './compact-range.ts';
export {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  type Checkpoint,
  type SignedCheckpoint,
} from './checkpoint.ts';
export { VerifyError, type VerifyErrorCode } from './errors.ts';
export {
  emptyRoot,
  HASH_BYTES,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type Consistency,
  type Inclusion,
} from './merkle.ts';
export {
  ED25519,
  formatVerifierKey,
  isKeyName,
  keyHash,
  openNote,
  parseVerifierKey,
  type NoteSignature,
  type OpenedNote,
  type VerifierKey,
} from './note.ts';
export {
  createExportVerification,
  verifyExport,
  type ExportVerification,
  type VerifyOptions,
} from './verify-export.ts';
export type { Report, Verdict } from './report.ts';
export type { Finding, FindingCode } from './findings.ts';
export type { LaneReport } from './lane-continuity.ts';
