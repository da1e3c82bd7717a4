import type { AnyRouteDefinition, FeatureRoutes } from '@muniment/server';
import { features as auditFeatures } from '../../services/audit/app.ts';
import { features as fileFeatures } from '../../services/file/app.ts';
import { features as userFeatures } from '../../services/user/app.ts';

export interface DocumentedRoute {
  service: 'user' | 'file' | 'audit';
  definition: AnyRouteDefinition;
}

const definitionsOf = <Context>(
  features: readonly FeatureRoutes<Context>[],
): AnyRouteDefinition[] =>
  features
    .flatMap(({ anyone = [], signedIn = [], administrators = [] }) => [
      ...anyone,
      ...signedIn,
      ...administrators,
    ])
    .map(({ definition, name }) => {
      if (!definition) throw new Error(`the endpoint ${name} has no definition`);
      return definition;
    });

/**
 * The routes that the gateway passes on, by service and feature. No service starts for it. Those of
 * one replica (`/metrics`, `/health/live`) belong to no feature.
 */
export function listRoutes(): DocumentedRoute[] {
  const all = [
    ['user', definitionsOf(userFeatures)],
    ['file', definitionsOf(fileFeatures)],
    ['audit', definitionsOf(auditFeatures)],
  ] as const;
  return all.flatMap(([service, definitions]) =>
    definitions.map((definition) => ({ service, definition })),
  );
}
