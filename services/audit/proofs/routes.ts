import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { getCheckpoint } from './get-checkpoint.ts';
import { getEntryBundle } from './get-entry-bundle.ts';
import { getTile } from './get-tile.ts';
import { proveConsistency } from './prove-consistency.ts';
import { proveLog } from './prove-log.ts';

/** Checkpoints, tiles and proofs of the Merkle log. */
export const proofs = defineFeature<AuditContext>({
  signedIn: [proveLog, getCheckpoint, proveConsistency, getTile],
  administrators: [getEntryBundle],
});
