import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@muniment/testing';
import { isAcknowledged, type Ledger, startLoad } from '../../e2e/load.ts';
import type { SignedIn } from '../../e2e/fleet.ts';
import type { Checks } from '../checks.ts';
import type { ContainerFleet } from '../container-fleet.ts';

const ACCOUNTS = 8;
const READS = ['profile', 'list', 'download', 'trail'] as const;
/** The time of load before and after what happens to the containers. */
const MARGIN_MS = 1_500;

interface UnderLoad {
  ledger: Ledger;
  accounts: SignedIn[];
}

/** Runs something while clients read and change without pause. */
async function underLoad(fleet: ContainerFleet, happen: () => Promise<void>): Promise<UnderLoad> {
  const accounts = await Promise.all(Array.from({ length: ACCOUNTS }, () => fleet.signUp()));
  const load = startLoad(fleet, { accounts, reads: [...READS] });
  try {
    await sleep(MARGIN_MS);
    await happen();
    await sleep(MARGIN_MS);
  } finally {
    await load.stop();
  }
  return { ledger: load.ledger, accounts };
}

/** Nothing may fail: a stop is ordered, and what vanished is silent or gone before a byte is sent. */
function checkNothingFailed({ check }: Checks, what: string, { ledger }: UnderLoad): void {
  const requests = ledger.reads.length + ledger.writes.length;
  check(
    `${what}: none of ${requests} requests failed, slowest ${Math.round(ledger.slowest)} ms`,
    ledger.strange.length === 0 && requests > 200,
    ledger.strange.slice(0, 8),
  );
}

/** Each acknowledged upload is one event in its owner's trail. */
async function checkEvents(
  fleet: ContainerFleet,
  { check }: Checks,
  { ledger, accounts }: UnderLoad,
): Promise<void> {
  const uploads = ledger.writes.filter(({ kind }) => kind === 'upload');
  const acknowledged = uploads.filter(isAcknowledged).length;
  const counted = await until(
    async () => {
      let found = 0;
      for (const { token } of accounts)
        found += (await fleet.trail(token)).filter(({ action }) => action === 'FILE_UPLOAD').length;
      return found >= acknowledged && found;
    },
    { what: `${acknowledged} uploads in the trail`, timeoutMs: 60_000 },
  ).catch((error: unknown) => String(error));
  const bound = uploads.length;
  check(
    `${acknowledged} acknowledged uploads are as many events`,
    typeof counted === 'number' && counted <= bound,
    { counted, bound },
  );
}

/** One replica of each service is stopped in order, and comes back. */
export async function stopReplicas(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const ends: string[] = [];
  const run = await underLoad(fleet, async () => {
    for (const service of ['user', 'file', 'audit']) {
      const [container] = await fleet.containers(service);
      const id = container?.id ?? '';
      const began = performance.now();
      await fleet.docker(['stop', '-t', '45', id]);
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      const code = await fleet.docker(['inspect', '--format', '{{.State.ExitCode}}', id]);
      ends.push(`${service} ${code.trim()} in ${seconds} s`);
      await sleep(MARGIN_MS);
      await fleet.docker(['start', id]);
      await fleet.settled(service, 2);
    }
  });
  checkNothingFailed(checks, 'a stop of one replica of each service', run);
  checks.check(
    `they end with 0: ${ends.join(', ')}`,
    ends.every((end) => / 0 in /.test(end)),
  );
  await checkEvents(fleet, checks, run);
}

/** A stop in the first seconds of a replica: Node is no longer process 1. */
export async function stopStarting(fleet: ContainerFleet, { check }: Checks): Promise<void> {
  const [container] = await fleet.containers('user');
  const id = container?.id ?? '';
  const ends: string[] = [];
  for (const wait of [100, 400, 900]) {
    await fleet.docker(['stop', '-t', '45', id]);
    await fleet.docker(['start', id]);
    await sleep(wait);
    const began = performance.now();
    await fleet.docker(['stop', '-t', '45', id]);
    ends.push(`${wait} ms: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  }
  await fleet.docker(['start', id]);
  await fleet.settled('user', 2);
  const slow = ends.filter((end) => Number(/: ([\d.]+) s/.exec(end)?.[1]) > 10);
  check(`a stop in a replica's first second is not lost (${ends.join(', ')})`, slow.length === 0);
}

/** A killed container vanishes: no end of its connections is ordered, its address is silent. */
export async function killReplicas(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const run = await underLoad(fleet, async () => {
    for (const service of ['file', 'user', 'audit', 'file']) {
      const [container] = await fleet.containers(service);
      const id = container?.id ?? '';
      await fleet.docker(['kill', id]);
      await sleep(2 * MARGIN_MS);
      await fleet.docker(['start', id]);
      await fleet.settled(service, 2);
    }
  });
  const { ledger } = run;
  // 503 with Retry-After is an answer of a replica that runs: a busy machine, not a lost request.
  const failedReads = ledger.reads.filter((read) => !isAcknowledged(read) && read.status !== 503);
  checks.check(
    `killed replicas: none of ${ledger.reads.length} reads failed`,
    failedReads.length === 0 && ledger.reads.length > 100,
    failedReads.slice(0, 8),
  );
  // A change that was under way may have taken effect, and says so.
  const others = ledger.strange.filter((line) => !/: 50[24] \{"type":/.test(line));
  checks.check(
    `killed replicas: ${ledger.strange.length} of ${ledger.writes.length} changes got 502 or 504`,
    others.length === 0 && ledger.strange.length < ledger.writes.length / 20,
    others.slice(0, 8),
  );
  await checkEvents(fleet, checks, run);
}

/** 2 → 4 → 2 replicas: `up` stops two containers at once. */
export async function scale(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const run = await underLoad(fleet, async () => {
    for (const service of ['file', 'user']) {
      for (const count of [4, 2]) {
        await fleet.compose(
          ['up', '--detach', '--no-deps', '--no-recreate', '--scale', `${service}=${count}`].concat(
            service,
          ),
        );
        await fleet.settled(service, count);
      }
    }
  });
  checkNothingFailed(checks, 'scaling file and user from 2 to 4 and back', run);
  await checkEvents(fleet, checks, run);
}

/** docker/roll.sh replaces every replica of every service. */
export async function roll(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const before = await allContainers(fleet);
  const run = await underLoad(fleet, async () => {
    await fleet.script(['sh', 'docker/roll.sh']);
  });
  const after = await allContainers(fleet);
  checks.check(
    'docker/roll.sh replaces every replica',
    after.length === before.length && after.every((id) => !before.includes(id)),
    { before, after },
  );
  checkNothingFailed(checks, 'an upgrade one replica at a time', run);
  await checkEvents(fleet, checks, run);
}

async function allContainers(fleet: ContainerFleet): Promise<string[]> {
  const found = await Promise.all(
    ['user', 'file', 'audit'].map((service) => fleet.containers(service)),
  );
  return found.flat().map(({ id }) => id);
}
