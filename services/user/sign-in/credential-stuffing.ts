import { Counter, type Registry } from 'prom-client';
import type { RequestContext } from '@muniment/server';
import { clientNetwork } from '@muniment/security';
import type { StuffingMetric, UserContext } from '../context.ts';

type Pattern = 'accounts_from_network' | 'networks_on_account' | 'failure_ratio';

export const createStuffingMetric = (metrics: Registry): StuffingMetric =>
  new Counter({
    name: 'muniment_credential_stuffing_detected_total',
    help: 'Windows in which failed logins had a pattern of credential stuffing.',
    labelNames: ['pattern'],
    registers: [metrics],
  });

/** Once in a window for the whole fleet: only who is told so by the row of the limit comes here. */
async function report(
  server: UserContext,
  request: RequestContext,
  pattern: Pattern,
): Promise<void> {
  server.stuffing.inc({ pattern });
  await server.recordFor(request, {
    action: 'CREDENTIAL_STUFFING_DETECTED',
    outcome: 'failure',
    error: pattern,
    metadata: { pattern },
    // Nobody's account is named: the subject is the network whose try went over the line.
    subject: { address: request.ip },
  });
}

/**
 * After a failed sign-in: whether one network tries many accounts, many networks one account, or far more sign-ins fail than succeed everywhere (OWASP Credential
 * Stuffing Prevention). Each pair of network and account counts once; whoever mistypes their own password ten times is no pattern.
 */
export async function observeFailure(
  server: UserContext,
  request: RequestContext,
  emailKey: string,
): Promise<void> {
  const { limits } = server;
  if (!limits.enabled) return;
  const network = clientNetwork(request.ip);
  const [pair, overall] = await Promise.all([
    limits.observe(['stuffing_pair', `${network}\0${emailKey}`]),
    limits.observe(['stuffing_global', '']),
  ]);
  if (!pair.exceeded) {
    const [ofNetwork, ofAccount] = await Promise.all([
      limits.observe(['stuffing_network', network]),
      limits.observe(['stuffing_account', emailKey]),
    ]);
    if (ofNetwork.first) await report(server, request, 'accounts_from_network');
    if (ofAccount.first) await report(server, request, 'networks_on_account');
  }
  if (overall.first) await report(server, request, 'failure_ratio');
}

/** A successful sign-in weighs one failed one up. */
export const refundFailure = ({ limits }: Pick<UserContext, 'limits'>): Promise<void> =>
  limits.refund([['stuffing_global', '']]);
