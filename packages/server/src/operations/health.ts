import type { FastifyBaseLogger } from 'fastify';
import { withTimeout } from '@muniment/security';
import { Type } from 'typebox';
import type { App } from '../http/create-app.ts';
import { defineRoute } from '../http/define-route.ts';
import { repeat } from '../lifecycle/background-loops.ts';
import type { Jobs } from '../lifecycle/jobs.ts';
import { dateTime } from '../http/schemas.ts';

export interface DependencyCheck {
  name: string;
  /** Whether the replica is unready without it. The stream and the object store can wait. */
  critical: boolean;
  /** Resolves when the dependency answers. */
  check(): Promise<unknown>;
}

export interface DependencyState {
  status: 'up' | 'down';
  critical: boolean;
  /** ISO 8601; since when it has been in this state. */
  since: string;
}

type DependencyStates = Record<string, DependencyState>;

export interface Health {
  /** Adds a dependency; do it before listening. */
  add(check: DependencyCheck): void;
  /** From now on readiness answers 503, so that balancers send no new work. */
  drain(): void;
  /** Checks every dependency, at most once per half second. */
  check(): Promise<DependencyStates>;
}

const CHECK_TIMEOUT_MS = 1_500;
const CACHE_MS = 500;
const CHECK_INTERVAL_MS = 2_000;

const livenessSchema = Type.Object({ status: Type.Literal('live') });
const readinessSchema = Type.Object({
  status: Type.Enum(['ready', 'draining', 'unready']),
  dependencies: Type.Record(
    Type.String(),
    Type.Object({ status: Type.Enum(['up', 'down']), critical: Type.Boolean(), since: dateTime }),
  ),
});

const getLiveness = defineRoute({
  method: 'GET',
  url: '/health/live',
  operation: 'health.get_liveness',
  summary: 'Tell whether the process answers.',
  access: 'public',
  response: { 200: livenessSchema },
  errors: [],
  options: { logLevel: 'silent' },
  handler: () => () => ({ status: 'live' as const }),
});

interface Readiness {
  check: Health['check'];
  isDraining(): boolean;
}

const getReadiness = defineRoute({
  method: 'GET',
  url: '/health/ready',
  operation: 'health.get_readiness',
  summary: 'Tell whether the replica can work, and which dependencies are down since when.',
  access: 'public',
  response: { 200: readinessSchema, 503: readinessSchema },
  errors: [],
  options: { logLevel: 'silent' },
  handler:
    ({ check, isDraining }: Readiness) =>
    async (_request, reply) => {
      const dependencies = await check();
      if (isDraining()) return reply.code(503).send({ status: 'draining', dependencies });
      const ready = Object.values(dependencies).every(
        ({ status, critical }) => status === 'up' || !critical,
      );
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : 'unready', dependencies });
    },
});

/** Adds the health routes, and checks the dependencies while the replica listens. */
export function reportHealth(app: App, jobs: Pick<Jobs, 'add'>): Health {
  const checks: DependencyCheck[] = [];
  const check = checkDependencies(checks, app.log);
  let draining = false;
  getLiveness(app, undefined);
  getReadiness(app, { check, isDraining: () => draining });

  // Without a loop, `since` would be the time of the first question, not of the failure.
  jobs.add(
    repeat(
      'health',
      CHECK_INTERVAL_MS,
      () => requireAllUp(check),
      () => {},
    ),
  );
  return {
    add: (added) => void checks.push(added),
    drain: () => {
      draining = true;
    },
    check,
  };
}

/** @throws when a dependency is down, so that the loop does not rest before it is back */
async function requireAllUp(check: Health['check']): Promise<void> {
  const states = Object.values(await check());
  if (states.some(({ status }) => status === 'down')) throw new Error('a dependency is down');
}

/** Checks all dependencies at once, for concurrent callers together, and logs changes of state. */
function checkDependencies(
  checks: readonly DependencyCheck[],
  log: FastifyBaseLogger,
): Health['check'] {
  const states = new Map<string, DependencyState>();
  let checkedAt = -Infinity;
  let checking: Promise<void> | undefined;

  async function update({ name, critical, check }: DependencyCheck): Promise<void> {
    const status = (await isUp(check)) ? 'up' : 'down';
    const before = states.get(name);
    if (before?.status === status) return;
    states.set(name, { status, critical, since: new Date().toISOString() });
    if (before || status === 'down')
      log.warn({ dependency: name, status }, 'dependency changed state');
  }

  async function updateAll(): Promise<void> {
    await Promise.all(checks.map(update));
    checkedAt = performance.now();
  }

  return async () => {
    if (performance.now() - checkedAt > CACHE_MS) {
      checking ??= updateAll().finally(() => {
        checking = undefined;
      });
      await checking;
    }
    return Object.fromEntries(states);
  };
}

/** Whether a dependency answers in time. */
async function isUp(check: DependencyCheck['check']): Promise<boolean> {
  const answered = Promise.resolve()
    .then(check)
    .then(
      () => true,
      () => false,
    );
  return withTimeout(answered, CHECK_TIMEOUT_MS, () => false);
}
