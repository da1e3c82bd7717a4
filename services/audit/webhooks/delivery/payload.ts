import { renderEntries } from '../../trail/log-entry.ts';
import type { AuditContext } from '../../context.ts';
import type { DeliveryParts } from './delivery-queries.ts';

/**
 * The body of a delivery (Standard Webhooks 1.0.0, «Payload structure»), made anew for each attempt: what an erasure took away between two is gone
 * from the second.
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
