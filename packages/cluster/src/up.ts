// make up: starts the fleet under a detached supervisor and returns once all of it is ready.
import { mkdirSync, realpathSync } from 'node:fs';
import { outliveOutput, reportFailure } from './fleet/commands/output.ts';
import { prepareFleet } from './fleet/plan/prepare-fleet.ts';
import { readSettings } from './fleet/settings.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { alreadyRunning, launch } from './fleet/commands/launch.ts';
import { stopFleet } from './fleet/commands/stop-fleet.ts';
import { summary } from './fleet/commands/summary.ts';

outliveOutput();
const started = performance.now();
const report = (line: string): void =>
  console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${line}`);

try {
  const settings = readSettings(process.env);
  mkdirSync(settings.data, { recursive: true, mode: 0o700 });
  settings.data = realpathSync(settings.data);
  const unlock = lockData(settings.data);
  try {
    const running = await alreadyRunning(settings, report);
    if (running) {
      console.log(summary({ ...running, data: settings.data, already: true }));
    } else {
      await stopFleet(settings.data, report);
      const plan = await prepareFleet(settings, report);
      const facts = await launch(plan, report);
      console.log(
        summary({
          ...facts,
          data: settings.data,
          already: false,
          seconds: (performance.now() - started) / 1000,
        }),
      );
    }
  } finally {
    unlock();
  }
} catch (error) {
  reportFailure('make up', error);
}
