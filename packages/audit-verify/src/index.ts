export { createCompactRange, subtreeHeights, type CompactRange } from './log/compact-range.ts';
export {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  type Checkpoint,
  type SignedCheckpoint,
} from './log/checkpoint.ts';
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
} from './log/merkle.ts';
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
} from './log/note.ts';
export {
  createExportVerification,
  verifyExport,
  type ExportVerification,
  type VerifyOptions,
} from './export/verify-export.ts';
export type { Report, Verdict } from './export/report.ts';
export type { Finding, FindingCode } from './export/findings.ts';
export type { LaneReport } from './export/lane-continuity.ts';
export {
  createStreamVerification,
  verifyStream,
  type StreamVerification,
  type StreamVerifyOptions,
} from './stream/verify-stream.ts';
export type { StreamReport } from './stream/stream-report.ts';
