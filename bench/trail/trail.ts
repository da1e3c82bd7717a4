import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';
import { measureBacklog } from './backlog.ts';
import { measureEventShare } from './event-share.ts';
import { measureLatency } from './latency.ts';
import { countSealed, countStored, openTrail } from './open-trail.ts';

/** Measures an event's way from its commit into the log. */
export async function measureTrail(fleet: Fleet): Promise<Measurement[]> {
  const trail = await openTrail(fleet);
  try {
    const untilSealed = async (): Promise<void> => {
      while ((await countSealed(trail)) < (await countStored(trail))) await sleep(100);
    };
    const share = await measureEventShare(fleet, trail);
    await untilSealed();
    const latency = await measureLatency(trail);
    await untilSealed();
    return [...(await measureBacklog(fleet, trail)), ...latency, ...share];
  } finally {
    await trail.close();
  }
}
