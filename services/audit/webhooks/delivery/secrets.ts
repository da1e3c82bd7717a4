import type { MasterKey } from '@muniment/master-key';

/** A webhook's secret as stored: wrapped by the master key, for this webhook only. */
export const wrapSecret = (
  masterKey: MasterKey,
  webhookId: string,
  secret: Buffer,
): Promise<Buffer> => masterKey.wrap(secret, `webhook:${webhookId}`);

/** The secrets that sign: the current one, and during a rotation the previous one. */
export const unwrapSecrets = (
  masterKey: MasterKey,
  webhookId: string,
  wrapped: readonly (Buffer | null)[],
): Promise<Buffer[]> =>
  Promise.all(
    wrapped
      .filter((secret) => secret !== null)
      .map((secret) => masterKey.unwrap(secret, `webhook:${webhookId}`)),
  );
