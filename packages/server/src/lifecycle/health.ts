import { withTimeout } from '@muniment/security';
import type { App } from '../http/create-app.ts';

export interface DependencyCheck {
  name: string;
  /** Whether the service is of no use without it. What can wait (the stream, the object store) leaves the replica ready and is only said. */
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

export interface Health {
  /** Adds a dependency; do it before listening. */
  add(check: DependencyCheck): void;
  /** From now on readiness answers 503: no new work is wanted. */
  drain(): void;
  /** Looks at every dependency; at most once per half second. */
  look(): Promise<Record<string, DependencyState>>;
}

const CHECK_TIMEOUT_MS = 1_500;
const CACHE_MS = 500;

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

/** `/health/live`: the process answers. `/health/ready`: it can do its work; names what is down and since when. */
export function reportHealth(app: App): Health {
  const checks: DependencyCheck[] = [];
  const states = new Map<string, DependencyState>();
  let draining = false;
  let lookedAt = -Infinity;
  let looking: Promise<void> | undefined;

  async function lookAtAll(): Promise<void> {
    await Promise.all(
      checks.map(async ({ name, critical, check }) => {
        const status = (await isUp(check)) ? 'up' : 'down';
        const before = states.get(name);
        if (before?.status === status) return;
        states.set(name, { status, critical, since: new Date().toISOString() });
        if (before || status === 'down')
          app.log.warn({ dependency: name, status }, 'dependency changed state');
      }),
    );
    lookedAt = performance.now();
  }

  async function look(): Promise<Record<string, DependencyState>> {
    if (performance.now() - lookedAt > CACHE_MS) {
      looking ??= lookAtAll().finally(() => {
        looking = undefined;
      });
      await looking;
    }
    return Object.fromEntries(states);
  }

  app.get(
    '/health/live',
    { config: { operation: 'health.live', access: 'public' }, logLevel: 'silent' },
    () => ({ status: 'live' }),
  );
  app.get(
    '/health/ready',
    { config: { operation: 'health.ready', access: 'public' }, logLevel: 'silent' },
    async (_request, reply) => {
      const dependencies = await look();
      const ready =
        !draining &&
        Object.values(dependencies).every(({ status, critical }) => status === 'up' || !critical);
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : draining ? 'draining' : 'unready', dependencies });
    },
  );

  // Without anyone asking, «since» would tell when somebody looked, not when it happened.
  let timer: NodeJS.Timeout | undefined;
  app.addHook('onListen', async () => {
    timer = setInterval(() => void look(), 2_000).unref();
  });
  app.addHook('onClose', async () => {
    clearInterval(timer);
  });
  return {
    add: (check) => void checks.push(check),
    drain: () => {
      draining = true;
    },
    look,
  };
}
