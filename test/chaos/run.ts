import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until, type Teardown } from '@muniment/testing';
import type { Fleet } from '../e2e/fleet.ts';
import { isReady } from '../e2e/processes.ts';
import { openDatabase } from '../e2e/stores.ts';
import { check } from './check/check.ts';
import type { Violation } from './check/violations.ts';
import { createWitness } from './check/checkpoints.ts';
import { runClient } from './clients/client.ts';
import { createHistory, type FaultRecord, type History } from './history.ts';
import { createCheckerAccount } from './checker-account.ts';
import { runIntegrator } from './clients/integrator.ts';
import { createNemesis, type Nemesis } from './nemesis/nemesis.ts';
import { planFaults, type FaultKind } from './plan/plan-faults.ts';
import { probe } from './clients/probe.ts';
import { REPLICAS, startProxiedFleet } from './proxied-fleet.ts';
import { measureAnswers, watchTrail } from './recovery.ts';
import { summarize, type Summary } from './report.ts';
import { waitUntilComplete, slowSomeCommits } from './trail.ts';

const MAX_EXTRA_MS = 30_000;

export interface ChaosOptions {
  seed: number;
  /** How long clients act and faults happen. */
  durationMs: number;
  /** Clients continue until this many actions are acknowledged, for half a minute at most. */
  leastActions?: number;
  /** The folder of the history and the result. */
  folder: string;
  /** The average time from one fault to the next. */
  faultEveryMs?: number;
  /** Absent for all kinds. */
  faults?: readonly FaultKind[];
  clients?: number;
  print(line: string): void;
}

export interface ChaosResult extends Summary {
  violations: Violation[];
  faults: FaultRecord[];
}

const PROGRESS_MS = 5_000;
const COMPLETE_TIMEOUT_MS = 60_000;
const READY_TIMEOUT_MS = 40_000;
const SLOW_COMMIT_MS = 150;

/**
 * Runs clients under faults on a new fleet, then compares their history with the trail.
 * Writes the history to `<seed>.jsonl` and the result to `<seed>.json`.
 */
export async function runChaos(t: Teardown, options: ChaosOptions): Promise<ChaosResult> {
  const {
    seed,
    durationMs,
    folder,
    print,
    clients = 6,
    faultEveryMs = 1_500,
    leastActions = 0,
  } = options;
  await mkdir(folder, { recursive: true });
  const { fleet, proxies } = await startProxiedFleet(t);
  const rows = await openDatabase(t, fleet);
  await slowSomeCommits(rows, SLOW_COMMIT_MS);
  const plan = planFaults(seed, durationMs, faultEveryMs, options.faults);
  print(
    `seed ${seed}: ${clients} clients for ${durationMs / 1_000} s, ${plan.length} faults planned`,
  );

  const history = createHistory(join(folder, `${seed}.jsonl`));
  const nemesis = createNemesis({ fleet, rows, proxies, replicas: REPLICAS, history });
  t.teardown(() => nemesis.heal());
  const trail = watchTrail(rows, history);
  const checker = await createCheckerAccount(fleet);
  const witness = createWitness(fleet, checker, history);
  const progress = setInterval(() => print(progressLine(history, nemesis)), PROGRESS_MS);
  const isEnough = (): boolean =>
    history.operations.filter(({ result }) => result === 'ok').length >= leastActions;
  try {
    await runParts(durationMs, isEnough, (signal) => [
      nemesis.run(plan, signal, trail.healed),
      witness.watch(signal),
      probe(fleet, checker.token, history, signal),
      ...startClients({ fleet, history, seed, signal, clients, token: checker.token }),
    ]);
  } finally {
    clearInterval(progress);
    nemesis.heal();
  }

  print('everything is healed; waiting until nothing is under way');
  await replicasAreReady(fleet);
  const missing = await waitUntilComplete(rows, COMPLETE_TIMEOUT_MS);
  await trail.stop();
  measureAnswers(history);
  const checked = await check({ fleet, rows, history, checker, witness, seed, missing });
  return saveResult(options, history, checked);
}

/** Starts the customers, and two services of customers. */
function startClients({
  clients,
  token,
  ...options
}: {
  fleet: Fleet;
  history: History;
  seed: number;
  signal: AbortSignal;
  /** The number of customers. */
  clients: number;
  /** The token of the services. */
  token: string;
}): Promise<void>[] {
  return [
    ...[clients, clients + 1].map((client) => runIntegrator({ ...options, client, token })),
    ...Array.from({ length: clients }, (_, client) => runClient({ ...options, client })),
  ];
}

/** Writes the violations to the history, and the result to its file. */
async function saveResult(
  { seed, durationMs, folder }: ChaosOptions,
  history: History,
  { violations, evidence }: Awaited<ReturnType<typeof check>>,
): Promise<ChaosResult> {
  for (const violation of violations) history.write({ type: 'violation', ...violation });
  await history.close();
  const result = {
    ...summarize(seed, durationMs, history, violations, evidence),
    faults: history.faults,
    violations,
  };
  await writeFile(join(folder, `${seed}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
  return result;
}

/** Runs all parts for `durationMs` and until enough is done. One that fails ends the others. */
async function runParts(
  durationMs: number,
  isEnough: () => boolean,
  start: (signal: AbortSignal) => Promise<void>[],
): Promise<void> {
  const stopping = new AbortController();
  const end = async (): Promise<void> => {
    const { signal } = stopping;
    await sleep(durationMs, undefined, { signal });
    for (
      const deadline = performance.now() + MAX_EXTRA_MS;
      !isEnough() && performance.now() < deadline;
    )
      await sleep(100, undefined, { signal });
    stopping.abort();
  };
  const ending = end().catch(() => {});
  const all = start(stopping.signal);
  try {
    await Promise.all(all);
  } finally {
    stopping.abort();
    await Promise.allSettled([...all, ending]);
  }
}

async function replicasAreReady(fleet: Fleet): Promise<void> {
  await until(
    async () => {
      const replicas = (await fleet.describe()).processes.filter(({ service }) =>
        ['user', 'file', 'audit'].includes(service),
      );
      return (await Promise.all(replicas.map(isReady))).every(Boolean);
    },
    { what: 'every replica is ready', timeoutMs: READY_TIMEOUT_MS },
  );
}

function progressLine(history: History, nemesis: Nemesis): string {
  const { operations, faults } = history;
  const count = (result: string): number =>
    operations.filter((operation) => operation.result === result).length;
  const broken = nemesis.current();
  const seconds = String(Math.round(history.now() / 1_000)).padStart(4);
  const current = broken.length > 0 ? `, now ${broken.join(', ')}` : '';
  return (
    `${seconds} s  ${count('ok')} ok, ${count('refused')} refused, ${count('unknown')} unknown; ` +
    `${faults.length} faults over${current}`
  );
}
