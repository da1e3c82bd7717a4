import type { Registry } from 'prom-client';
import { clientNetwork } from '@muniment/security';
import { createCounter, type RequestContext } from '@muniment/server';
import type { StuffingMetric, UserContext } from '../context.ts';
import { stuffingDetected } from './sign-in-events.ts';

export type StuffingContext = Pick<UserContext, 'audit' | 'limits' | 'stuffing'>;

const PATTERNS = ['accounts_from_network', 'networks_on_account', 'failure_ratio'] as const;
type Pattern = (typeof PATTERNS)[number];

export const createStuffingMetric = (metrics: Registry): StuffingMetric =>
  createCounter({
    name: 'muniment_credential_stuffing_detected_total',
    help: 'Windows in which failed logins had a pattern of credential stuffing.',
    labels: { pattern: PATTERNS },
    registers: [metrics],
  });

/**
 * Looks for credential stuffing after a failed login. Each pair of network and account counts once,
 * so typing errors are no pattern.
 */
export async function detectStuffing(
  context: StuffingContext,
  request: RequestContext,
  emailKey: string,
): Promise<void> {
  const { limits } = context;
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
    if (ofNetwork.first) await report(context, request, 'accounts_from_network');
    if (ofAccount.first) await report(context, request, 'networks_on_account');
  }
  if (overall.first) await report(context, request, 'failure_ratio');
}

/** Called once a window, at the one replica that the limit's row names. */
async function report(
  { audit, stuffing }: StuffingContext,
  request: RequestContext,
  pattern: Pattern,
): Promise<void> {
  stuffing.inc({ pattern });
  await audit.record(request, stuffingDetected(request.ip, pattern));
}

/** A successful login offsets one failed login in the failure ratio. */
export const refundStuffingFailure = ({ limits }: Pick<UserContext, 'limits'>): Promise<void> =>
  limits.refund([['stuffing_global', '']]);
