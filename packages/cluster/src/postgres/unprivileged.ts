import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';
import { postgresBinaries } from './postgres-binaries.ts';

/** How PostgreSQL's programs are started here: prefix words, and a uid and gid for `spawn` where setpriv can't do it. */
export interface PostgresRuntime {
  native: string;
  dataDir: string;
  prefix: string[];
  /** Whom the data folder must belong to, when that is not this user. */
  owner?: { uid: number; gid: number };
  /** Set where `spawn` itself has to change the user. */
  user?: { uid: number; gid: number };
}

/**
 * PostgreSQL refuses euid 0. As root it runs as `nobody`, which may not enter a 0700 home such as /root, so the one
 * capability that passes closed folders for reading (dac_read_search) is kept: nothing has to be copied and the data
 * stays where the caller put it. `no_setuid_fixup` is needed because initdb looks for `postgres` by access(2), which
 * otherwise checks without capabilities.
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
    // A database that was made without the capability stays where it is: beside it an empty one would be made, unnoticed.
    const lies =
      !holdsDatabase(dataDir) && holdsDatabase(elsewhere(dataDir)) ? elsewhere(dataDir) : dataDir;
    return { native, dataDir: lies, prefix: passing, owner: user };
  }
  return withoutCapabilities(native, dataDir, user);
}

// In a container that withholds the capability: the programs and the data move to where nobody can reach them.
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
        `the database in ${dataDir} was made where nobody, PostgreSQL's user, could enter ${path.dirname(dataDir)}, and here it may not: give the container the capability DAC_READ_SEARCH`,
      );
    runtime.dataDir = elsewhere(dataDir);
    mkdirSync(path.dirname(runtime.dataDir), { recursive: true, mode: 0o755 });
  }
  return runtime;
}

function elsewhere(dataDir: string): string {
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
