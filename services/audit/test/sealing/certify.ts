import { createSigner } from '@muniment/audit-key';
import { releaseLease } from '@muniment/database';
import { createCheckpointSigner } from '../../sealing/checkpoint-signer.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import type { Parts } from '../parts.ts';
import { sealerLease } from './sealed-log.ts';

/** Seals what is stored and, unless told otherwise, signs it, as the sealer does. */
export async function certify(
  { db, auditKey }: Pick<Parts, 'db' | 'auditKey'>,
  { sign = true } = {},
): Promise<void> {
  const lease = await sealerLease(db);
  while ((await sealBatch(db, lease, { limit: 10_000 })).more);
  if (sign) {
    const key = createSigner(auditKey.signingKey);
    const signer = createCheckpointSigner({
      db,
      keys: { signers: [key], verifiers: [key.verifier] },
      origin: key.name,
    });
    await signer.verify();
    await signer.sign(lease);
  }
  await releaseLease(db, lease);
}
