import { registerFeatures, type FeatureRoutes } from '@muniment/server';
import { appEvents } from './app-events/routes.ts';
import { completeness } from './completeness/routes.ts';
import type { Config } from './config.ts';
import { createContext, type AuditContext } from './context.ts';
import { openErasure } from './erasure/open-erasure.ts';
import { erasure } from './erasure/routes.ts';
import { exports } from './export/routes.ts';
import { live } from './live/routes.ts';
import { startMaintenance } from './maintenance.ts';
import { proofs } from './proofs/routes.ts';
import { quarantine } from './quarantine/routes.ts';
import { openReconciler } from './reconciler/open-reconciler.ts';
import { startRetention } from './retention/retention-loop.ts';
import { trail } from './trail/routes.ts';
import { viewerTokens } from './viewer-tokens/routes.ts';
import { webhooks } from './webhooks/routes.ts';

/** By dependency: a feature imports only from features before it in this list. */
export const features: readonly FeatureRoutes<AuditContext>[] = [
  trail,
  proofs,
  exports,
  live,
  appEvents,
  erasure,
  viewerTokens,
  quarantine,
  completeness,
  webhooks,
];

/** Builds the audit service. Its loops start once it listens. */
export async function buildApp(config: Config): Promise<AuditContext> {
  const context = await createContext(config);
  // Each adds its loops to `context.jobs`, which start once the service listens.
  startMaintenance(context);
  openErasure(context);
  openReconciler(context);
  startRetention(context);
  // By dependency: a feature imports only from features before it in this list.
  await registerFeatures(context.http.app, context, features);
  return context;
}
