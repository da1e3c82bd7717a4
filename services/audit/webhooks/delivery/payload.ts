import { renderEntries } from '../../trail/log-resource.ts';
import type { AuditContext } from '../../context.ts';
import type { DeliveryParts } from './delivery-queries.ts';

/**
 * Makes the body of a delivery (Standard Webhooks 1.0.0, «Payload structure»). Each attempt makes
 * it anew, so an erasure between two applies to the second.
 */
export async function renderPayload(
  { db, subjectKeys }: Pick<AuditContext, 'db' | 'subjectKeys'>,
  parts: DeliveryParts,
): Promise<string> {
  const [entry] = await renderEntries(
    { db, subjectKeys },
    { personal: parts.include_personal ? 'all' : { subject: '' } },
    [parts],
  );
  return `{"type":"audit.${parts.action}","timestamp":"${parts.timestamp.toISOString()}","data":${entry}}`;
}
