/**
 * `make test-docker`: runs docker-compose.yml in a Docker engine of its own, with stand-ins for the
 * images of others, and takes everything down. docs/operations/run.md says what this shows.
 * STEPS=pattern runs only the steps with such a name, after the flow.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createChecks, type Checks } from './checks.ts';
import { type ContainerFleet, copyCheckout, createContainerFleet } from './container-fleet.ts';
import { command, logCommandsTo } from './engine/command.ts';
import { installEngine, requireMachine } from './engine/install-engine.ts';
import { type Engine, startEngine } from './engine/start-engine.ts';
import { buildStandIn, makeBaseImages } from './images/base-images.ts';
import { readImageNames } from './images/image-names.ts';
import { checkContainers } from './scenarios/containers.ts';
import { answerEarly } from './scenarios/early-answers.ts';
import { findFlow, runFlow } from './scenarios/flow.ts';
import { runOperatorCommands } from './scenarios/operator.ts';
import { killReplicas, roll, scale, stopReplicas, stopStarting } from './scenarios/under-load.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(
  process.env.MUNIMENT_DOCKER_CACHE ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'muniment-docker'),
);
const started = performance.now();
const report = (line: string): void => {
  const seconds = String(Math.round((performance.now() - started) / 1_000)).padStart(4);
  console.log(`${seconds} s  ${line}`);
};

const LEFT_OUT =
  'not run: the real images of MinIO (object lock, policies), PostgreSQL, nginx, Prometheus, Mailpit ' +
  'and Grafana';

/** What an interrupted run has left: the engine would start it again. It is ours alone. */
async function removeLeftovers({ env }: Engine): Promise<void> {
  for (const [list, remove] of [
    [
      ['ps', '--all', '--quiet'],
      ['rm', '--force', '--volumes'],
    ],
    [
      ['volume', 'ls', '--quiet'],
      ['volume', 'rm'],
    ],
  ] as const) {
    const found = (await command(['docker', ...list], { env })).split('\n').filter(Boolean);
    if (found.length > 0) await command(['docker', ...remove, ...found], { env });
  }
  await command(['docker', 'network', 'prune', '--force'], { env });
}

async function build(engine: Engine, fleet: ContainerFleet): Promise<void> {
  const names = readImageNames(root);
  const options = { root, cache, env: engine.env, names, report };
  await makeBaseImages(options);
  report('building our images');
  await fleet.script(['sh', 'docker/make-secrets.sh']);
  // The stand-ins of MinIO and Mailpit hold the servers of packages/cluster, as this image does.
  await fleet.compose(['build', 'kinesis']);
  for (const target of ['minio', 'mailpit'] as const)
    await buildStandIn(target, names[target], options);
  await fleet.compose(['build']);
}

async function runScenarios(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const up = async (): Promise<void> => {
    await fleet.compose(['up', '--detach', '--wait', '--wait-timeout', '240'].concat(LASTING));
  };
  report('docker compose up');
  await up();
  report('the flow');
  const data = await runFlow(fleet, checks);
  report("down, up, and the flow's data again");
  await fleet.compose(['down']);
  await up();
  await findFlow(fleet, checks, data);
  const steps = [
    ['users, file systems, settings, volumes', checkContainers],
    ['early answers', answerEarly],
    ['stops under load', stopReplicas],
    ['stops at the start', stopStarting],
    ['kills under load', killReplicas],
    ['scaling under load', scale],
    ['an upgrade under load', roll],
    ["operator's commands", runOperatorCommands],
  ] as const;
  const { STEPS = '' } = process.env;
  const chosen = steps.filter(([name]) => new RegExp(STEPS).test(name));
  for (const [what, step] of chosen) {
    report(what);
    await step(fleet, checks);
  }
}

/** All but the jobs, which end: `--wait` would call that a failure. */
const LASTING = 'gateway user file audit postgres minio kinesis mailpit prometheus'.split(' ');

async function main(): Promise<boolean> {
  requireMachine();
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'commands.log'), '');
  logCommandsTo(join(cache, 'commands.log'));
  report(`cache: ${cache}`);
  const { configDir } = await installEngine(cache, report);
  const engine = await startEngine(cache, configDir);
  const end = (signal: string): void => {
    report(`${signal}: stopping the engine`);
    void engine.stop().finally(() => process.exit(1));
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(signal));
  const checks = createChecks(report);
  try {
    await removeLeftovers(engine);
    const folder = join(cache, 'checkout');
    await copyCheckout(root, folder);
    const fleet = await createContainerFleet(folder, engine.env);
    await build(engine, fleet);
    try {
      await runScenarios(fleet, checks);
    } catch (error) {
      checks.check(`the run ended early: ${String(error)}`, false);
    } finally {
      await fleet.compose(['logs', '--no-color']).catch(() => '');
      report('docker compose down --volumes');
      await fleet.compose(['down', '--volumes', '--remove-orphans', '--timeout', '30']);
    }
  } finally {
    await engine.stop();
  }
  report(LEFT_OUT);
  console.log(`${checks.passed()} passed, ${checks.failed()} failed`);
  return checks.failed() === 0 && checks.passed() > 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  console.error(`make test-docker: ${error instanceof Error ? error.message : String(error)}`);
  console.error(`What the commands said is in ${join(cache, 'commands.log')}.`);
  process.exitCode = 1;
}
