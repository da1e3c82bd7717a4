import { setTimeout as sleep } from 'node:timers/promises';
import { composeEvent, insertOutboxRows } from '@muniment/audit-events';
import type { Fleet, FleetProcess } from '../../test/e2e/fleet.ts';
import { cpuMs } from '../processes.ts';
import type { Measurement } from '../report.ts';
import { CONTENT, countStored, type Trail } from './open-trail.ts';

const BACKLOG = 40_000;
const BATCH_SIZE = 2_000;
/** Services below this share of a core are not named beside the result. */
const MIN_CORES = 0.05;

async function insertBacklog({ producer, subjects, subjectKeys }: Trail): Promise<void> {
  const keys = await Promise.all(
    subjects.map((userId) => subjectKeys.forSubject(producer, { userId })),
  );
  for (let written = 0; written < BACKLOG; written += BATCH_SIZE) {
    const events = Array.from({ length: BATCH_SIZE }, (_, n) => {
      const userId = subjects[n % subjects.length] ?? '';
      return composeEvent({
        ...CONTENT,
        source: 'user',
        user_id: userId,
        resource: userId,
        laneSubject: userId,
        key: keys[n % subjects.length],
        now: new Date(),
      });
    });
    await insertOutboxRows(producer, 'identity', events);
  }
}

type CpuByService = ReadonlyMap<string, number>;

async function readCpu(processes: readonly FleetProcess[]): Promise<CpuByService> {
  const groups = [...Map.groupBy(processes, ({ service }) => service)];
  return new Map(
    await Promise.all(groups.map(async ([service, own]) => [service, await cpuMs(own)] as const)),
  );
}

/** Lists the busy services with the cores that each used, busiest first. */
function describeCores(before: CpuByService, after: CpuByService, seconds: number): string {
  return [...after]
    .map(([service, ms]) => [service, (ms - (before.get(service) ?? 0)) / seconds / 1_000] as const)
    .filter(([, cores]) => cores > MIN_CORES)
    .toSorted((a, b) => b[1] - a[1])
    .map(([service, cores]) => `${service} ${cores.toFixed(2)}`)
    .join(', ');
}

/** Measures how fast a full outbox is stored. The busiest process is the limit, so CPU is shown. */
export async function measureBacklog(fleet: Fleet, trail: Trail): Promise<Measurement[]> {
  const { processes } = await fleet.describe();
  const storedBefore = await countStored(trail);
  await insertBacklog(trail);
  const storedMeanwhile = (await countStored(trail)) - storedBefore;
  const cpuBefore = await readCpu(processes);
  const startedAt = performance.now();
  while ((await countStored(trail)) - storedBefore < BACKLOG) await sleep(50);
  const seconds = (performance.now() - startedAt) / 1_000;
  return [
    {
      what: 'relay + consumer, a backlog',
      value: (BACKLOG - storedMeanwhile) / seconds,
      unit: 'events/s',
      goal: { atLeast: 5_000 },
      beside: `cores: ${describeCores(cpuBefore, await readCpu(processes), seconds)}`,
    },
  ];
}
