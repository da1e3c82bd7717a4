import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MethodNotAllowed, NotFound } from '../errors.ts';

interface KnownPath {
  pattern: RegExp;
  methods: Set<string>;
}

/**
 * Follows the registered paths. Create it before any route.
 * @returns why no route answers a request: its path is unknown, or known with other methods
 */
export function trackPaths(app: FastifyInstance): (request: FastifyRequest) => Error {
  const paths = new Map<string, KnownPath>();
  app.addHook('onRoute', ({ method, url }) => {
    const known = paths.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    for (const name of [method].flat()) if (name !== 'OPTIONS') known.methods.add(name);
    if (known.methods.size > 0) paths.set(url, known);
  });
  return (request) => {
    const path = decodePath(request.url);
    const matches = [...paths.values()].filter(({ pattern }) => pattern.test(path));
    const methods = new Set(matches.flatMap((known) => [...known.methods]));
    if (methods.size === 0) return new NotFound();
    const allow = [...methods].join(', ');
    return Object.assign(new MethodNotAllowed(request.method, allow), { headers: { allow } });
  };
}

/** A route's path as Fastify matches it: `:name` is one part, `*` the rest. */
function patternOf(url: string): RegExp {
  const escaped = url.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replace(/:\w+/g, '[^/]+').replaceAll('*', '.*')}$`);
}

function decodePath(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
