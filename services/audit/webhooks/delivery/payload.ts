import { renderEntries, type RenderParts } from '../../trail/log-resource.ts';
import type { DeliveryParts } from './delivery-queries.ts';

/**
 * Renders a delivery's body (Standard Webhooks 1.0.0, «Payload structure»). Each attempt renders it
 * anew, so a later erasure applies.
 */
export async function renderPayload(
  renderParts: RenderParts,
  parts: DeliveryParts,
): Promise<string> {
  const [entry] = await renderEntries(
    renderParts,
    { personal: parts.include_personal ? 'all' : { subject: '' } },
    [parts],
  );
  const timestamp = parts.timestamp.toISOString();
  return `{"type":"audit.${parts.action}","timestamp":"${timestamp}","data":${entry}}`;
}
