export { createMasterKey, generateMasterKey, loadMasterKey } from './master-key.ts';
export type { MasterKey } from './master-key.ts';
export type { MasterKeyError, MasterKeyErrorCode } from './errors.ts';
