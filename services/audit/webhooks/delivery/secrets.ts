import type { MasterKey } from '@muniment/master-key';

/** A webhook's secret as stored: wrapped by the master key, for this webhook only. */
export const wrapSecret = (
  masterKey: MasterKey,
  webhookId: string,
  secret: Buffer,
): Promise<Buffer> => masterKey.wrap(secret, `webhook:${webhookId}`);

export const unwrapSecret = (
  masterKey: MasterKey,
  webhookId: string,
  wrapped: Buffer,
): Promise<Buffer> => masterKey.unwrap(wrapped, `webhook:${webhookId}`);
