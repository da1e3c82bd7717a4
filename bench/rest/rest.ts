import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@muniment/testing';
import type { Fleet } from '../../test/e2e/fleet.ts';
import { cpuMsOf } from '../peers/measure/process-tree.ts';
import type { Measurement } from '../report.ts';
import { isCaughtUp, openTrail } from '../trail/open-trail.ts';

/** Loops rest ten seconds after the last event, and look around less often after two more rounds. */
const REST_AFTER_MS = 30_000;
const SECONDS = 60;
const GOAL_PERCENT = 5;

/** Waits until the trail has caught up, and nothing has happened for half a minute. */
async function waitForRest(fleet: Fleet): Promise<void> {
  const trail = await openTrail(fleet);
  try {
    await until(() => isCaughtUp(trail), { what: 'the trail has caught up', timeoutMs: 60_000 });
  } finally {
    await trail.close();
  }
  await sleep(REST_AFTER_MS);
}

/** CPU time of each service so far, in ms: its processes and what they have started. */
export async function readCpu(fleet: Fleet): Promise<Map<string, number>> {
  const { processes } = await fleet.describe();
  return new Map(
    [...Map.groupBy(processes, ({ service }) => service)].map(([service, members]) => [
      service,
      cpuMsOf(members.map(({ pid }) => pid)),
    ]),
  );
}

/** Measures what a fleet takes that nobody uses, in percent of a core. */
export async function measureRest(fleet: Fleet): Promise<Measurement[]> {
  await waitForRest(fleet);
  const before = await readCpu(fleet);
  const beganAt = performance.now();
  await sleep(SECONDS * 1_000);
  const after = await readCpu(fleet);
  const percentPerMs = 100 / (performance.now() - beganAt);
  const shares = [...after].map(([service, cpu]): [string, number] => [
    service,
    (cpu - (before.get(service) ?? 0)) * percentPerMs,
  ]);
  const sum = shares.reduce((total, [, share]) => total + share, 0);
  return [
    ...shares.map(([service, share]) => ({
      what: `CPU of ${service} at rest`,
      value: share,
      unit: '% of a core',
    })),
    {
      what: 'CPU of the fleet at rest',
      value: sum,
      unit: '% of a core',
      goal: { atMost: GOAL_PERCENT },
      beside: `over ${SECONDS} s, two replicas of each service`,
    },
  ];
}
