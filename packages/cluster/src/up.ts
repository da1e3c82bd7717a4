// make up: starts the fleet under a detached supervisor and returns once it is ready.
import { mkdirSync, realpathSync } from 'node:fs';
import { FleetError } from './errors.ts';
import { launch } from './fleet/commands/launch.ts';
import { findRunningFleet } from './fleet/commands/launched-fleet.ts';
import { ignoreClosedOutput, reportFailure } from './fleet/commands/output.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { stopFleet } from './fleet/commands/stop-fleet.ts';
import { summary } from './fleet/commands/summary.ts';
import { checkServiceSettings } from './fleet/plan/check-service-settings.ts';
import {
  prepareFleet,
  type PreparedFleet,
  writeGatewayConfig,
} from './fleet/plan/prepare-fleet.ts';
import { type FleetSettings, readSettings } from './fleet/settings.ts';
import { processGroups } from './fleet/supervisor/orphans.ts';
import { isSupervisorAlive, readState } from './fleet/supervisor/state.ts';

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
  const fleet = await prepareAll(settings);
  await stopFleet(data, report);
  writeGatewayConfig(fleet);
  const launched = await launch(fleet.plan, report);
  console.log(summary(launched, { data, seconds: elapsedSeconds() }));
}

/** Whatever fails here fails before the running fleet is stopped. */
async function prepareAll(settings: FleetSettings): Promise<PreparedFleet> {
  const state = readState(settings.data);
  const stopping = processGroups(state?.processes ?? []);
  try {
    const fleet = await prepareFleet(settings, { report, stopping });
    if (isSupervisorAlive(state)) await checkServiceSettings(fleet.plan);
    return fleet;
  } catch (error) {
    if (!(error instanceof FleetError) || !isSupervisorAlive(state)) throw error;
    throw new FleetError(`${error.message}\nThe running fleet was left as it is.`);
  }
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
