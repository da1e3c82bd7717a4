import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@muniment/testing';
import { tryCommand } from './command.ts';

export interface Engine {
  /** What Docker's client needs to find this engine and no other. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const DOCKERD = '/usr/sbin/dockerd';

/** Starts a Docker engine of our own: its images stay in the cache, its networks end with it. */
export async function startEngine(cache: string, configDir: string): Promise<Engine> {
  const pidFile = join(cache, 'dockerd.pid');
  await stopByPidFile(pidFile);
  refuseSecondEngine();
  // Sockets have names of at most 107 bytes, so not in the cache.
  const run = mkdtempSync(join(tmpdir(), 'muniment-docker-'));
  const socket = `unix://${join(run, 'docker.sock')}`;
  const log = join(cache, 'dockerd.log');
  mkdirSync(join(cache, 'data'), { recursive: true });
  const engine = spawn(
    DOCKERD,
    [
      ['--data-root', join(cache, 'data')],
      ['--exec-root', join(run, 'exec')],
      ['--pidfile', pidFile],
      ['--host', socket],
      // Every network is made by Compose. The builds use the host's.
      ['--bridge', 'none'],
      ['--log-level', 'warn'],
    ].flat(),
    { stdio: ['ignore', openSync(log, 'w'), openSync(log, 'a')], detached: true },
  );
  const env = {
    DOCKER_HOST: socket,
    DOCKER_CONFIG: configDir,
    DOCKER_BUILDKIT: '1',
    // Before anything of the same name elsewhere in PATH.
    PATH: `/usr/bin:/usr/sbin:${process.env.PATH ?? ''}`,
  };
  await until(
    async () => {
      if (engine.exitCode !== null)
        throw new Error(`The Docker engine ended:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
      return (await tryCommand(['docker', 'info'], { env, timeoutMs: 10_000 })).code === 0;
    },
    { what: 'the Docker engine answers', timeoutMs: START_TIMEOUT_MS },
  );
  return {
    env,
    async stop() {
      await stopByPidFile(pidFile);
      rmSync(run, { recursive: true, force: true });
    },
  };
}

/** Ends the engine whose pid the file holds, if it is one of this cache. */
async function stopByPidFile(pidFile: string): Promise<void> {
  const pid = Number(readFileSync(pidFile, { encoding: 'utf8', flag: 'a+' }).trim());
  if (!isEngine(pid) || !commandLine(pid).includes(pidFile)) {
    rmSync(pidFile, { force: true });
    return;
  }
  process.kill(pid, 'SIGTERM');
  await until(() => !isEngine(pid), {
    what: `the Docker engine ${pid} has ended`,
    timeoutMs: STOP_TIMEOUT_MS,
  });
}

/** Two engines on one machine overwrite each other's packet filter rules. */
function refuseSecondEngine(): void {
  const other = readdirSync('/proc').map(Number).find(isEngine);
  if (other !== undefined)
    throw new Error(
      `A Docker engine runs on this machine already (pid ${other}). make test-docker starts its ` +
        'own, and both would write the same packet filter rules. Stop it, or use another machine.',
    );
}

function isEngine(pid: number): boolean {
  return /(^|\/)dockerd$/.test(commandLine(pid).split('\0')[0] ?? '');
}

function commandLine(pid: number): string {
  if (!Number.isInteger(pid) || pid <= 0) return '';
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
