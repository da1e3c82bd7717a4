import { command } from './command.ts';

export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror of Debian's main archive that this machine's apt uses. */
export async function debianMirror(): Promise<string> {
  const targets = await command([
    'apt-get',
    'indextargets',
    '--format',
    '$(SITE) $(ORIGIN) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const sites = targets
    .split('\n')
    .filter((line) => line.endsWith(' main'))
    .map((line) => line.split(' ')[0] ?? '');
  const mirror = sites.find((site) => /\/debian\/?$/.test(site));
  if (mirror === undefined)
    throw new Error("This machine's apt names no mirror of Debian (apt-get indextargets).");
  return mirror;
}

/** The machine's own settings of apt towards mirrors: proxies and certificates. */
export async function aptSettings(): Promise<string> {
  const lines = (await command(['apt-config', 'dump']))
    .split('\n')
    .filter((line) => /^Acquire::https?::(?:[^:]+::)?(Proxy|CaInfo|Verify-Peer) /.test(line));
  // A machine whose clock runs ahead of its mirror finds the lists outdated.
  return [...lines, 'Acquire::Check-Valid-Until "false";', ''].join('\n');
}
