/**
 * `make bench-peers`: the same load on Directus, Parse Server, bare Fastify and our own fleet, in
 * one run. It installs and starts all of them, prints a table, and writes below `.bench/peers`.
 */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from './load/client.ts';
import type { Memory } from './measure/goals.ts';
import { measureLimit } from './measure/limits.ts';
import { catchUp, loadTarget, measure } from './measure/measure.ts';
import { renderPeers } from './measure/peers-table.ts';
import type { Row } from './measure/row.ts';
import { readOptions } from './options.ts';
import { installPackages } from './run/install.ts';
import { createRun, type Run } from './run/run.ts';
import { largestReplicaMiB, startTargets, type Targets } from './start-targets.ts';

const FOLDER = join(import.meta.dirname, '../../.bench/peers');
const PAUSE_MS = 1_000;

/** Appends to the file of this run, as JSON lines. */
async function createLog(run: Run) {
  const folder = join(run.folder, 'results');
  await mkdir(folder, { recursive: true });
  const name = join(folder, new Date().toISOString().replaceAll(/[:.]/g, '-'));
  return {
    file: `${name}.jsonl`,
    append: (line: object) => appendFile(`${name}.jsonl`, `${JSON.stringify(line)}\n`),
    writeTable: (table: string) => writeFile(`${name}.md`, `${table}\n`),
  };
}

function describeRow({ operation, target, perSecond, errors, errorKinds }: Row): string {
  const failed = errors > 0 ? `, ${errors} errors ${JSON.stringify(errorKinds)}` : '';
  return `${operation} ${target}: ${perSecond.toFixed(1)}/s${failed}`;
}

/** One target's dirty pages are not to be written in another's window. */
async function pause(): Promise<void> {
  execFileSync('sync');
  await sleep(PAUSE_MS);
}

/** Measures every operation on every target in turns, so that nobody is always first. */
async function* measureAll(run: Run, { targets }: Targets): AsyncGenerator<Row> {
  const { options } = run;
  let turn = 0;
  for (let round = 1; round <= options.rounds; round += 1)
    for (const operation of options.operations) {
      const first = turn % targets.length;
      turn += 1;
      for (const target of [...targets.slice(first), ...targets.slice(0, first)]) {
        await pause();
        yield await measure({ target, options }, operation, round);
      }
      await pause();
      const limit = await measureLimit(run, operation, round);
      if (limit) yield limit;
    }
}

/** Sends the first operation, or a row would measure code that is not compiled yet. */
async function burnIn({ options, report }: Run, { targets }: Targets): Promise<void> {
  const [operation] = options.operations;
  if (!operation || options.burnIn === 0) return;
  report(`burning in, ${options.burnIn} s for each target`);
  for (const target of targets) {
    await loadTarget({ target, options }, operation, options.burnIn);
    await catchUp(target);
  }
}

async function main(run: Run): Promise<void> {
  const { options, report } = run;
  const driver = await installPackages(run, 'driver');
  const targets = await startTargets(run, (url) => {
    const client = createClient(
      driver,
      url,
      Math.max(options.concurrency, options.largeConcurrency),
    );
    run.teardown(client.close);
    return client;
  });
  const log = await createLog(run);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem() };
  await log.append({ at: new Date().toISOString(), node: process.version, machine, options });
  await burnIn(run, targets);
  const rows: Row[] = [];
  for await (const row of measureAll(run, targets)) {
    rows.push(row);
    await log.append(row);
    report(describeRow(row));
  }
  const { muniment } = targets;
  const memory: Memory | undefined = muniment && {
    before: muniment.memoryBefore,
    after: await largestReplicaMiB(muniment),
  };
  if (memory) await log.append({ memory });
  const table = renderPeers(rows, memory);
  console.log(table);
  await log.writeTable(table);
  report(`rows of each round: ${log.file}`);
  if (rows.some(({ errors }) => errors > 0)) process.exitCode = 1;
}

const run = await createRun(FOLDER, readOptions(process.env));
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    run.report('ending what was started');
    interrupt.abort();
    void run.end().then(() => process.exit(130));
  });
try {
  await main(run);
} catch (error) {
  // What is ended fails.
  if (!interrupt.signal.aborted) throw error;
} finally {
  await run.end();
}
