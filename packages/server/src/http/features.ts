import { isAdministrative, type RouteAccess } from '@muniment/security';
import type { App } from './create-app.ts';
import type { Endpoint } from './define-route.ts';

/** Who may call the routes of a scope. */
type Scope = 'anyone' | 'signedIn' | 'administrators';

/** A feature's table of contents: its endpoints by who may call them. */
export interface FeatureRoutes<Context> extends Partial<Record<Scope, Endpoint<Context>[]>> {
  /** Plugins that only this feature's routes need. */
  plugins?(app: App, context: Context): Promise<void>;
}

/** States the routes of one feature. Each scope admits only routes whose access fits it. */
export function defineFeature<Context>(routes: FeatureRoutes<Context>): FeatureRoutes<Context> {
  return routes;
}

/** Registers features in their order, each in a Fastify scope of its own. */
export async function registerFeatures<Context>(
  app: App,
  context: Context,
  features: readonly FeatureRoutes<Context>[],
): Promise<void> {
  for (const feature of features) {
    await app.register(async (featureApp) => {
      await feature.plugins?.(featureApp as App, context);
      for (const scope of ['anyone', 'signedIn', 'administrators'] as const) {
        const endpoints = feature[scope];
        if (endpoints) await registerScope(featureApp as App, context, { scope, endpoints });
      }
    });
  }
}

async function registerScope<Context>(
  app: App,
  context: Context,
  { scope, endpoints }: { scope: Scope; endpoints: readonly Endpoint<Context>[] },
): Promise<void> {
  await app.register(async (scopeApp) => {
    scopeApp.addHook('onRoute', ({ method, url, config }) => {
      if (!fits(scope, config?.access))
        throw new Error(`route ${String(method)} ${url} is not for ${scope}: see its access`);
    });
    for (const endpoint of endpoints) await endpoint(scopeApp as App, context);
  });
}

function fits(scope: Scope, access: RouteAccess | undefined): boolean {
  if (access === undefined) return false;
  if (access === 'public') return scope === 'anyone';
  return scope === (isAdministrative(access.permission) ? 'administrators' : 'signedIn');
}
