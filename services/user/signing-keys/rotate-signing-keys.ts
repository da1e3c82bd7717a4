import type { Transaction } from 'kysely';
import { createEventRecorder, type RecordEvent } from '@muniment/audit-events';
import type { UserContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import {
  signingKeyCompromised,
  signingKeyRotated,
  type RotationCause,
} from './signing-key-events.ts';
import { compromiseSigningKeys, rotateSigningKeys, type KeyRotation } from './signing-keys.ts';

/** What a rotation works with; an operator's command brings its own. */
export interface RotationContext {
  data: Pick<UserContext['data'], 'db'>;
  crypto: UserContext['crypto'];
  auth: { keys: Pick<UserContext['auth']['keys'], 'refresh'> };
}

async function changeKeys(
  { data, crypto, auth }: RotationContext,
  by: RotationCause,
  change: (trx: Transaction<Tables>) => Promise<KeyRotation | undefined>,
): Promise<KeyRotation | undefined> {
  const { subjectKeys } = crypto;
  const record: RecordEvent = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys,
  });
  const rotation = await data.db.transaction().execute(async (trx) => {
    const changed = await change(trx);
    if (!changed) return undefined;
    for (const kid of changed.compromised)
      await record(trx, signingKeyCompromised(kid, by, changed));
    if (changed.retired !== null) await record(trx, signingKeyRotated(by, changed));
    return changed;
  });
  // This replica signs with the new key now, others after their next read.
  if (rotation) await auth.keys.refresh();
  return rotation;
}

/**
 * Activates the next signing key. Earlier tokens stay valid until they expire.
 * @param due rotates only when the active key has signed for so many days
 */
export async function rotateKeys(
  context: RotationContext,
  due?: { afterDays: number },
): Promise<KeyRotation | undefined> {
  return changeKeys(context, due ? 'schedule' : 'operator', (trx) =>
    rotateSigningKeys(trx, context.crypto.masterKey, due?.afterDays),
  );
}

/** Marks signing keys as compromised, which invalidates their tokens at once. */
export async function revokeKeys(
  context: RotationContext,
  kids: readonly string[] | 'all',
): Promise<KeyRotation | undefined> {
  return changeKeys(context, 'operator', (trx) =>
    compromiseSigningKeys(trx, context.crypto.masterKey, kids),
  );
}
