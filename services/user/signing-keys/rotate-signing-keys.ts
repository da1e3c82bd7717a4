import type { Transaction } from 'kysely';
import { createEventRecorder, type NewEvent, type RecordEvent } from '@muniment/audit-events';
import type { UserContext } from '../context.ts';
import { compromiseSigningKeys, rotateSigningKeys, type KeyRotation } from './signing-keys.ts';
import type { Tables } from '../tables.ts';

type Parts = Pick<UserContext, 'db' | 'masterKey' | 'subjectKeys' | 'keys'>;

/** Nobody's request and nobody's values: the deployment itself is the subject. */
const about = (
  kid: string,
): Pick<NewEvent, 'subject' | 'personal' | 'resource' | 'resource_type' | 'request_id'> => ({
  subject: { address: 'signing-keys' },
  personal: {},
  resource: kid,
  resource_type: 'signing_key',
  request_id: `signing-key-${kid}`,
});

async function change(
  { db, subjectKeys, keys }: Parts,
  by: 'schedule' | 'operator',
  rotate: (trx: Transaction<Tables>) => Promise<KeyRotation | undefined>,
): Promise<KeyRotation | undefined> {
  const recordEvent: RecordEvent = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys,
  });
  const rotation = await db.transaction().execute(async (trx) => {
    const rotation = await rotate(trx);
    if (!rotation) return undefined;
    const { active, next, retired, compromised } = rotation;
    for (const kid of compromised)
      await recordEvent(trx, {
        ...about(kid),
        action: 'SIGNING_KEY_COMPROMISED',
        metadata: { by, active, next },
      });
    if (retired !== null)
      await recordEvent(trx, {
        ...about(active),
        action: 'SIGNING_KEY_ROTATED',
        metadata: { by, next, retired },
      });
    return rotation;
  });
  // This replica signs with the new key from here on; the others from their next read.
  if (rotation) await keys.refresh();
  return rotation;
}

/**
 * Has the next signing key sign, as an event. The tokens of the one before count until they expire.
 * @param due only if the active key has signed for so many days
 */
export async function rotateKeys(
  server: Parts,
  due?: { afterDays: number },
): Promise<KeyRotation | undefined> {
  return change(server, due ? 'schedule' : 'operator', (trx) =>
    rotateSigningKeys(trx, server.masterKey, due?.afterDays),
  );
}

/** Marks signing keys as compromised, each with an event: their tokens count no more from this moment. */
export async function revokeKeys(
  server: Parts,
  kids: readonly string[] | 'all',
): Promise<KeyRotation | undefined> {
  return change(server, 'operator', (trx) => compromiseSigningKeys(trx, server.masterKey, kids));
}
