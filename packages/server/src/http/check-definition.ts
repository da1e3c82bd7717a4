import { isSafeMethod } from '@muniment/security';
import type { AnyRouteDefinition } from './define-route.ts';

const OPERATION = /^[a-z0-9-]+\.[a-z0-9]+(_[a-z0-9]+)+$/;

const isChange = (method: string): boolean => !isSafeMethod(method);

/** What is missing or malformed in the statement of a route. */
export function findFault(definition: AnyRouteDefinition): string | undefined {
  const { method, url, operation, summary, params, response, preconditions } = definition;
  if (!OPERATION.test(operation)) return `operation ${operation} is not <tag>.<verb>_<noun>`;
  if (!/^[A-Z].*\.$/.test(summary)) return 'its summary is not a sentence';
  if (/[:*]/.test(url) && !params) return 'its path has parameters without a schema';
  // Only the row tells whether a condition holds, and an absent row is a 404 first.
  if (/[:*]/.test(url) && [method].flat().some(isChange) && preconditions !== 'handler')
    return 'its handler must evaluate preconditions';
  if (Object.keys(response).length === 0) return 'it states no response';
  return undefined;
}
