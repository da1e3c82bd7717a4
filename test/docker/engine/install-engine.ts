import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installDebianPackages } from '@muniment/cluster';
import { command, tryCommand } from './command.ts';
import { debianMirror, KEYRING } from './debian-mirror.ts';

/** Programs that the engine and the base images need, with their packages. */
const PROGRAMS = {
  '/usr/sbin/dockerd': 'docker.io',
  '/usr/bin/docker': 'docker.io',
  '/usr/sbin/debootstrap': 'debootstrap',
  '/usr/sbin/iptables': 'iptables',
};
/** The release of Debian that has them. Debian 12's Compose 1 knows neither `name` nor `pids`. */
const PLUGIN_RELEASE = 'trixie';
const PLUGINS = { 'docker-compose': 'docker-compose', 'docker-buildx': 'docker-buildx' };

/** Whether this machine can run an engine of its own. @throws Error naming what is missing */
export function requireMachine(): void {
  const missing = [
    process.platform !== 'linux' && 'Linux',
    process.getuid?.() !== 0 && 'root: the engine makes networks and mounts',
    !existsSync('/usr/bin/apt-get') && "Debian's apt-get: it brings the engine and the base images",
    !existsSync(KEYRING) && "Debian's keys (package debian-archive-keyring)",
  ].filter((one) => one !== false);
  if (missing.length > 0)
    throw new Error(`make test-docker needs what this machine lacks: ${missing.join('; ')}.`);
}

/** Installs engine and debootstrap from this machine's Debian, and Docker's plugins apart. */
export async function installEngine(
  cache: string,
  report: (line: string) => void,
): Promise<{ configDir: string }> {
  const packages = Object.entries(PROGRAMS)
    .filter(([program]) => !existsSync(program))
    .map(([, name]) => name);
  if (packages.length > 0)
    await installDebianPackages(
      { packages: [...new Set(packages)], services: ['docker', 'containerd'] },
      report,
    );
  const configDir = join(cache, 'docker-config');
  const plugins = join(configDir, 'cli-plugins');
  if (!Object.keys(PLUGINS).every((name) => existsSync(join(plugins, name)))) {
    report(`fetching Compose and buildx (packages of Debian ${PLUGIN_RELEASE}, unpacked only)`);
    await fetchPlugins(join(cache, 'plugins'), plugins);
  }
  return { configDir };
}

/** Downloads packages of a newer release with a source list of their own, and unpacks them. */
async function fetchPlugins(folder: string, plugins: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  for (const name of ['lists/partial', 'root']) mkdirSync(join(folder, name), { recursive: true });
  const sources = join(folder, 'sources.list');
  const mirror = await debianMirror();
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror} ${PLUGIN_RELEASE} main\n`);
  const apt = [
    'apt-get',
    ...[
      `Dir::Etc::sourcelist=${sources}`,
      'Dir::Etc::sourceparts=-',
      `Dir::State::Lists=${join(folder, 'lists')}`,
      'Dir::Cache::pkgcache=',
      'Dir::Cache::srcpkgcache=',
      'Acquire::Check-Valid-Until=false',
    ].flatMap((option) => ['-o', option]),
  ];
  await command([...apt, 'update', '-q']);
  // The sandbox user of apt may not write here.
  await command([...apt, '-o', 'APT::Sandbox::User=root', 'download', ...Object.values(PLUGINS)], {
    cwd: folder,
  });
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.deb')))
    await command(['dpkg', '-x', join(folder, name), join(folder, 'root')]);
  const unpacked = readdirSync(join(folder, 'root'), { recursive: true, encoding: 'utf8' });
  mkdirSync(plugins, { recursive: true });
  for (const name of Object.keys(PLUGINS)) {
    const binary = unpacked.find((file) => file.endsWith(`cli-plugins/${name}`));
    if (binary === undefined) throw new Error(`The package of ${name} holds no Docker plugin.`);
    rmSync(join(plugins, name), { force: true });
    symlinkSync(join(folder, 'root', binary), join(plugins, name));
  }
  const { code } = await tryCommand([join(plugins, 'docker-compose'), 'version']);
  if (code !== 0) throw new Error('The unpacked Compose does not run on this machine.');
}
