import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Teardown } from '@muniment/testing';
import { postgresRuntime, type PostgresRuntime } from '@muniment/cluster';
import type { Options } from '../options.ts';

/** What everything of one run shares. */
export interface Run extends Teardown {
  options: Options;
  /** `.bench/peers`: the installed peers, logs and results. */
  folder: string;
  /** Everything that is written under load, on one disk, and removed after the run. */
  dataDir: string;
  /** How a process is started as an unprivileged user. */
  unprivileged: Pick<PostgresRuntime, 'prefix' | 'owner' | 'user'>;
  report(line: string): void;
  /** Ends everything that was started, last first. Further calls wait for the same end. */
  end(): Promise<void>;
}

export async function createRun(folder: string, options: Options): Promise<Run> {
  const startedAt = performance.now();
  const ends: (() => unknown)[] = [];
  let ending: Promise<void> | undefined;
  const endAll = async (): Promise<void> => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop())
      try {
        await end();
      } catch (error) {
        console.error(error);
      }
  };
  await mkdir(join(folder, 'logs'), { recursive: true });
  const dataDir = await mkdtemp(join(folder, 'data-'));
  mkdirSync(join(dataDir, 'home'));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const run: Run = {
    options,
    folder,
    dataDir,
    // The peers run as PostgreSQL does: as root they could read the whole machine.
    unprivileged: postgresRuntime(join(dataDir, 'home')),
    report(line) {
      if (ending) return;
      const seconds = (performance.now() - startedAt) / 1_000;
      console.error(`[${seconds.toFixed(0).padStart(4)} s] ${line}`);
    },
    teardown(end) {
      // Ctrl-C may come while something starts. That is ended at once.
      if (ending) void Promise.resolve(end()).catch(() => {});
      else ends.push(end);
    },
    end: () => (ending ??= endAll()),
  };
  const { owner } = run.unprivileged;
  if (owner)
    for (const made of [dataDir, join(dataDir, 'home')]) chownSync(made, owner.uid, owner.gid);
  return run;
}

/** A new folder of this run, which its unprivileged processes own. */
export function createFolder(run: Run, ...names: string[]): string {
  const folder = join(run.dataDir, ...names);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { owner } = run.unprivileged;
  if (owner) chownSync(folder, owner.uid, owner.gid);
  return folder;
}
