// make up: starts the fleet under a detached supervisor and returns once it is ready.
import { mkdirSync, realpathSync } from 'node:fs';
import { launch } from './fleet/commands/launch.ts';
import { findRunningFleet } from './fleet/commands/launched-fleet.ts';
import { ignoreClosedOutput, reportFailure } from './fleet/commands/output.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { stopFleet } from './fleet/commands/stop-fleet.ts';
import { summary } from './fleet/commands/summary.ts';
import { prepareFleet } from './fleet/plan/prepare-fleet.ts';
import { type FleetSettings, readSettings } from './fleet/settings.ts';

const started = performance.now();
const elapsedSeconds = (): number => (performance.now() - started) / 1000;
const report = (line: string): void =>
  console.log(`[${elapsedSeconds().toFixed(1).padStart(5)} s] ${line}`);

async function up(settings: FleetSettings): Promise<void> {
  const { data } = settings;
  const running = await findRunningFleet(settings, report);
  if (running) {
    console.log(summary(running, { data }));
    return;
  }
  await stopFleet(data, report);
  const plan = await prepareFleet(settings, report);
  const launched = await launch(plan, report);
  console.log(summary(launched, { data, seconds: elapsedSeconds() }));
}

ignoreClosedOutput();
try {
  const settings = readSettings(process.env);
  mkdirSync(settings.data, { recursive: true, mode: 0o700 });
  settings.data = realpathSync(settings.data);
  const unlock = lockData(settings.data);
  try {
    await up(settings);
  } finally {
    unlock();
  }
} catch (error) {
  reportFailure('make up', error);
}
