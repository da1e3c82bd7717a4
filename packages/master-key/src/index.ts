export { loadMasterKey, parseMasterKeys } from './key-file.ts';
export { createMasterKey, generateMasterKey, wrappedBy } from './master-key.ts';
export type { MasterKey } from './master-key.ts';
export { MasterKeyError, type MasterKeyErrorCode } from './errors.ts';
