import type { MasterKey } from '@muniment/master-key';
import type { RequestContext } from '@muniment/server';

/** A recovery request, stored encrypted until a replica processes it. */
export interface RecoveryRequest {
  emailKey: string;
  locale: string;
  context: Pick<RequestContext, 'id' | 'ip' | 'traceparent'> & { userAgent: string | null };
}

const wrapContext = (id: string): string => `recovery-request:${id}`;

export async function sealRecoveryRequest(
  masterKey: MasterKey,
  id: string,
  recovery: RecoveryRequest,
): Promise<Buffer> {
  return masterKey.wrap(Buffer.from(JSON.stringify(recovery)), wrapContext(id));
}

/** @throws as `masterKey.unwrap` */
export async function openRecoveryRequest(
  masterKey: MasterKey,
  id: string,
  wrapped: Buffer,
): Promise<RecoveryRequest> {
  const text = (await masterKey.unwrap(wrapped, wrapContext(id))).toString();
  return JSON.parse(text) as RecoveryRequest;
}

/** The requesting request, for the event of its mail. */
export const requestContextOf = ({ context }: RecoveryRequest): RequestContext => ({
  id: context.id,
  ip: context.ip,
  headers: { 'user-agent': context.userAgent ?? undefined },
  principal: null,
  traceparent: context.traceparent,
});
