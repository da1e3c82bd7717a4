import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Rows } from '@muniment/testing';
import type { Fleet } from '../fleet.ts';
import { listRoutes, readOpenapi, type DocumentedRoute } from '../openapi-document.ts';
import { listCallers, openForeign, type Actor, type Caller } from './actors.ts';
import { exchange } from './exchange.ts';
import { requestsOf, type FuzzRequest } from './requests.ts';
import type { Values } from './symbols.ts';

export interface FuzzOptions {
  seed: number;
  /** Of all callers together. */
  requests: number;
  /** One caller's name; absent: all. */
  caller?: string;
  /** A request of that caller, as a failure names it. */
  path?: string;
}

/** What one caller's requests have shown. */
export interface FuzzResult {
  caller: string;
  sent: number;
  /** How often each status was answered. */
  statuses: Map<number, number>;
  /** The fault with the request, and how to repeat it; undefined without one. */
  fault: string | undefined;
}

/** Routes that admit a caller come more often than those that refuse it. */
const ADMITTED_WEIGHT = 6;
/** Requests change and delete what a caller owns, so it is made anew from time to time. */
const RENEW_AFTER = 60;

/** Whether a route admits a role, as its description says. */
function admits({ operation: { description } }: DocumentedRoute, role: string | null): boolean {
  const roles = /permission `[^`]+` \(([^)]*)\)/.exec(description)?.[1]?.split(', ');
  return roles ? role !== null && roles.includes(role) : true;
}

function requestsFor({ role }: Caller): fc.Arbitrary<FuzzRequest> {
  const document = readOpenapi();
  return fc.oneof(
    ...listRoutes(document).map((route) => ({
      weight: admits(route, role) ? ADMITTED_WEIGHT : 1,
      arbitrary: requestsOf(document, route),
    })),
  );
}

/** Keeps one caller that is signed in, whatever its requests do to it. */
function createActor(caller: Caller, fleet: Fleet) {
  let actor: Actor | undefined;
  let used = 0;
  return {
    async current(): Promise<Actor> {
      used += 1;
      if (!actor || used % RENEW_AFTER === 0) actor = await caller.open();
      return actor;
    },
    /** After an answer that only a caller gets who is not signed in. */
    async probe(): Promise<void> {
      if (caller.role === null || actor?.token === undefined) return;
      const { token } = actor;
      const { status } = await fleet.call('GET', '/api/users/me', { token });
      if (status === 401) actor = undefined;
    },
  };
}

const hash = (seed: number, name: string): number =>
  createHash('sha256').update(`${seed}/${name}`).digest().readInt32BE();

/** Sends random requests of all callers at once, each by its own sequence. */
export async function fuzz(
  context: { fleet: Fleet; rows: Rows },
  { caller: only, ...options }: FuzzOptions,
): Promise<FuzzResult[]> {
  const callers = listCallers(context).filter(({ name }) => only === undefined || name === only);
  const foreign = await openForeign(context);
  const all = listCallers(context).length;
  const numRuns = Math.ceil(options.requests / (only === undefined ? all : 1));
  return Promise.all(
    callers.map(async (caller) => {
      // An administrator may end what is another's.
      const own = caller.isConfined ? foreign : await openForeign(context);
      return fuzzCaller(caller, { ...options, fleet: context.fleet, foreign: own, numRuns });
    }),
  );
}

async function fuzzCaller(
  caller: Caller,
  {
    fleet,
    foreign,
    numRuns,
    seed,
    path,
  }: Omit<FuzzOptions, 'caller' | 'requests'> & { fleet: Fleet; foreign: Values; numRuns: number },
): Promise<FuzzResult> {
  const statuses = new Map<number, number>();
  const actors = createActor(caller, fleet);
  const property = fc.asyncProperty(requestsFor(caller), async (request) => {
    const actor = await actors.current();
    const { isConfined } = caller;
    const status = await exchange({ fleet, actor, foreign, isConfined }, request);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status === 401) await actors.probe();
  });
  const run = await fc.check(property, {
    // Each caller has a sequence of its own.
    seed: hash(seed, caller.name),
    numRuns,
    ...(path !== undefined && { path }),
    // The state has changed meanwhile, so a smaller request tells little.
    endOnFailure: true,
  });
  const repeat = `FUZZ_SEED=${seed} FUZZ_CALLER=${caller.name} FUZZ_PATH=${run.counterexamplePath}`;
  const fault = run.failed
    ? `${String(run.errorInstance)}\n${JSON.stringify(run.counterexample)}\n${repeat}`
    : undefined;
  return { caller: caller.name, sent: run.numRuns, statuses, fault };
}
