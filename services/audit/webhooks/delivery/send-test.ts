import { uuidv7 } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import { unwrapSecrets } from './secrets.ts';
import type { Send } from './send.ts';
import { signedHeaders } from './signature.ts';
import type { Webhook } from './webhook-queries.ts';

export interface TestResult {
  /** The `webhook-id` of the message. */
  id: string;
  delivered: boolean;
  status: number | null;
  error: string | null;
  duration_ms: number;
}

/**
 * Sends a message of the type `webhook.test`, signed and checked as a delivery is. It holds nothing
 * of the log and changes nothing of the webhook's state.
 */
export async function sendTest(
  { masterKey, send }: { masterKey: MasterKey; send: Send },
  webhook: Webhook,
): Promise<TestResult> {
  const now = new Date();
  const id = uuidv7(now.getTime());
  const data = { webhook_id: webhook.id };
  const body = JSON.stringify({ type: 'webhook.test', timestamp: now.toISOString(), data });
  const { wrapped_secret: current, wrapped_previous_secret: previous } = webhook;
  const isRotating = (webhook.previous_secret_until?.getTime() ?? 0) > now.getTime();
  const secrets = await unwrapSecrets(masterKey, webhook.id, [
    current,
    isRotating ? previous : null,
  ]);
  const timestamp = Math.trunc(now.getTime() / 1_000);
  const began = performance.now();
  const headers = signedHeaders({ id, timestamp, body }, secrets);
  const { delivered, status, error } = await send(webhook.url, headers, body);
  return { id, delivered, status, error, duration_ms: Math.round(performance.now() - began) };
}
