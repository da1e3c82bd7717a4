import { largestRssMb } from '../processes.ts';
import type { Client } from './load/client.ts';
import { catchUp } from './measure/measure.ts';
import type { TargetName } from './options.ts';
import type { Run } from './run/run.ts';
import { startBareFastify } from './targets/bare-fastify.ts';
import { startDirectus } from './targets/directus/start-directus.ts';
import { startMuniment } from './targets/muniment.ts';
import { startParseServer } from './targets/parse-server/start-parse-server.ts';
import { createTarget, type Target } from './targets/target.ts';
import type { StartedTarget } from './targets/target-spec.ts';

type Connect = (url: string) => Client;

const starts: Record<TargetName, (run: Run, connect: Connect) => Promise<StartedTarget>> = {
  directus: startDirectus,
  'parse-server': startParseServer,
  'bare-fastify': startBareFastify,
  muniment: startMuniment,
};

/** Resident memory of a target's largest service process, in MiB. */
export const largestReplicaMiB = async (
  target: Pick<StartedTarget, 'processes'>,
): Promise<number> => largestRssMb((await target.processes()).service.map((pid) => ({ pid })));

export interface Targets {
  targets: Target[];
  /** Our own fleet, with the memory of its largest replica before any request. */
  muniment?: Target & { memoryBefore: number };
}

/** Starts and prepares all targets, one after another. */
export async function startTargets(run: Run, connect: Connect): Promise<Targets> {
  const result: Targets = { targets: [] };
  for (const name of run.options.targets) {
    const started = await starts[name](run, connect);
    const memoryBefore = await largestReplicaMiB(started);
    run.report(`preparing ${name}: users, files, a page of its log`);
    const target = await createTarget(started, connect(started.url));
    await catchUp(target);
    result.targets.push(target);
    if (name === 'muniment') result.muniment = { ...target, memoryBefore };
  }
  return result;
}
