import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { command } from '../engine/command.ts';
import { aptSettings, debianMirror, KEYRING } from '../engine/debian-mirror.ts';

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const SCRIPTS = '/usr/share/debootstrap/scripts';

/** Makes a minimal Debian in a folder, with this machine's settings towards mirrors. */
export async function debian(folder: string, release: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await command([
    'debootstrap',
    '--variant=minbase',
    '--include=ca-certificates',
    `--keyring=${KEYRING}`,
    release,
    folder,
    await debianMirror(),
    // An older debootstrap does not know a newer release. All are made alike.
    join(SCRIPTS, existsSync(join(SCRIPTS, release)) ? release : 'sid'),
  ]);
  writeFileSync(join(folder, 'etc/apt/apt.conf.d/90muniment'), await aptSettings());
  // Packages must not start their servers while they are installed.
  writeFileSync(join(folder, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  // The machine may reach its registries through a proxy that it alone trusts.
  if (existsSync(CERTIFICATES)) copyFileSync(CERTIFICATES, join(folder, CERTIFICATES));
  await command(['chroot', folder, 'apt-get', 'clean']);
}

/** Adds Node from this checkout's packages, and npm with this machine's settings. */
export async function addNode(folder: string, nodePackage: string): Promise<void> {
  const local = join(folder, 'usr/local');
  mkdirSync(join(local, 'lib'), { recursive: true });
  copyFileSync(join(nodePackage, 'bin/node'), join(local, 'bin/node'));
  await command(['npm', 'install', '--prefix', join(local, 'lib'), '--no-save', 'npm@11']);
  for (const program of ['npm', 'npx'])
    await command([
      'ln',
      '-sf',
      `../lib/node_modules/npm/bin/${program}-cli.js`,
      join(local, 'bin', program),
    ]);
  mkdirSync(join(local, 'etc'), { recursive: true });
  writeFileSync(join(local, 'etc/npmrc'), await npmSettings());
  appendFileSync(join(folder, 'etc/passwd'), 'node:x:1000:1000::/home/node:/bin/bash\n');
  appendFileSync(join(folder, 'etc/group'), 'node:x:1000:\n');
  mkdirSync(join(folder, 'home/node'));
  await command(['chown', '1000:1000', join(folder, 'home/node')]);
}

/** Where this machine's npm finds its registry. */
async function npmSettings(): Promise<string> {
  const lines: string[] = [];
  for (const name of ['registry', 'proxy', 'https-proxy', 'noproxy', 'strict-ssl']) {
    const value = (await command(['npm', 'config', 'get', name])).trim();
    if (!['', 'null', 'undefined'].includes(value)) lines.push(`${name}=${value}`);
  }
  return [...lines, `cafile=${CERTIFICATES}`, 'update-notifier=false', ''].join('\n');
}
