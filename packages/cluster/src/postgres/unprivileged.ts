import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';
import { postgresBinaries } from './postgres-binaries.ts';

/** How PostgreSQL's programs are started as an unprivileged user. */
export interface PostgresRuntime {
  /** The folder of its programs. */
  native: string;
  dataDir: string;
  /** Words before each command. */
  prefix: string[];
  /** The owner of the data folder, when it is not this user. */
  owner?: { uid: number; gid: number };
  /** Set where `spawn` must change the user, because setpriv cannot. */
  user?: { uid: number; gid: number };
}

/**
 * Decides how PostgreSQL, which refuses to run as root, is started. Under root it runs as `nobody`.
 * The capability dac_read_search lets it pass closed folders such as /root, so that no data moves.
 * `no_setuid_fixup` is needed because initdb calls access(2), which ignores capabilities otherwise.
 */
export function postgresRuntime(dataDir: string): PostgresRuntime {
  const native = postgresBinaries();
  if (process.getuid?.() !== 0) {
    const setpriv = succeeds(['setpriv', '--pdeathsig', 'keep', 'true']) ? ['setpriv'] : [];
    return { native, dataDir, prefix: setpriv };
  }
  const user = nobody();
  const drop = [
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--no-new-privs',
  ];
  const passing = [
    ...drop,
    '--securebits=+no_setuid_fixup',
    '--inh-caps=-all,+dac_read_search',
    '--ambient-caps=-all,+dac_read_search',
  ];
  if (succeeds([...passing, `${native}/bin/postgres`, '--version'])) {
    // A database that was created without the capability stays in its other folder.
    const moved = outsideFolder(dataDir);
    const folder = !holdsDatabase(dataDir) && holdsDatabase(moved) ? moved : dataDir;
    return { native, dataDir: folder, prefix: passing, owner: user };
  }
  return withoutCapabilities(native, dataDir, user);
}

// For containers without the capability: programs and data move to folders that `nobody` can enter.
function withoutCapabilities(
  native: string,
  dataDir: string,
  user: { uid: number; gid: number },
): PostgresRuntime {
  const runtime = { native, dataDir, prefix: [], owner: user, user };
  if (!canEnter(native, user)) {
    runtime.native = `/var/tmp/muniment-postgres-${process.arch}-${digest(native)}`;
    if (!existsSync(runtime.native)) {
      const partial = `${runtime.native}.${process.pid}`;
      cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
      renameSync(partial, runtime.native);
    }
  }
  mkdirSync(path.dirname(dataDir), { recursive: true });
  if (!canEnter(path.dirname(dataDir), user)) {
    if (holdsDatabase(dataDir))
      throw new FleetError(
        `The database in ${dataDir} cannot be used: PostgreSQL's user, nobody, ` +
          `cannot enter ${path.dirname(dataDir)}. ` +
          'Give the container the capability DAC_READ_SEARCH.',
      );
    runtime.dataDir = outsideFolder(dataDir);
    mkdirSync(path.dirname(runtime.dataDir), { recursive: true, mode: 0o755 });
  }
  return runtime;
}

function outsideFolder(dataDir: string): string {
  return `/var/lib/muniment-postgres/${digest(dataDir)}`;
}

function holdsDatabase(dataDir: string): boolean {
  return existsSync(path.join(dataDir, 'PG_VERSION'));
}

function nobody(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))
    ?.split(':');
  return { uid: Number(line?.[2] ?? 65534), gid: Number(line?.[3] ?? 65534) };
}

function canEnter(folder: string, user: { uid: number; gid: number }): boolean {
  return spawnSync('ls', [folder], { ...user, stdio: 'ignore' }).status === 0;
}

function succeeds([command = '', ...args]: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
