import type { NewEvent } from '@muniment/audit-events';
import type { KeyRotation } from './signing-keys.ts';

/** What caused a change of the keys. */
export type RotationCause = 'schedule' | 'operator';

/** No request or person caused it: the deployment is the subject. */
const aboutKey = (kid: string) => ({
  subject: { address: 'signing-keys' },
  personal: {},
  resource: kid,
  resource_type: 'signing_key',
  request_id: `signing-key-${kid}`,
});

export const signingKeyCompromised = (
  kid: string,
  by: RotationCause,
  { active, next }: KeyRotation,
): NewEvent => ({
  ...aboutKey(kid),
  action: 'SIGNING_KEY_COMPROMISED',
  metadata: { by, active, next },
});

export const signingKeyRotated = (
  by: RotationCause,
  { active, next, retired }: KeyRotation,
): NewEvent => ({
  ...aboutKey(active),
  action: 'SIGNING_KEY_ROTATED',
  metadata: { by, next, retired },
});
