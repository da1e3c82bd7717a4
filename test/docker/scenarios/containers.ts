import type { Checks } from '../checks.ts';
import { type ContainerFleet, SETTINGS } from '../container-fleet.ts';

const OURS = ['gateway', 'user', 'file', 'audit', 'kinesis', 'minio', 'postgres'];

/** Users, root file systems, capabilities, settings and volumes of the running containers. */
export async function checkContainers(fleet: ContainerFleet, { check }: Checks): Promise<void> {
  const faults: string[] = [];
  for (const service of OURS) {
    const [container] = await fleet.containers(service);
    if (!container) {
      faults.push(`${service} does not run`);
      continue;
    }
    const status = await fleet.docker(['exec', container.id, 'cat', '/proc/1/status']);
    if (/^Uid:\s+0\b/m.test(status)) faults.push(`${service} runs as root`);
    if (!/^CapEff:\s+0+$/m.test(status)) faults.push(`${service} has capabilities`);
    if (!/^NoNewPrivs:\s+1$/m.test(status)) faults.push(`${service} may gain privileges`);
    const mounts = await fleet.docker(['exec', container.id, 'cat', '/proc/1/mounts']);
    if (!/^\S+ \/ \S+ ro[ ,]/m.test(mounts)) faults.push(`${service} has a writable root`);
  }
  check('no root, no capability, no writable root in any container', faults.length === 0, faults);
  await checkSettings(fleet, check);
  await checkVolumes(fleet, check);
}

async function checkSettings(fleet: ContainerFleet, check: Checks['check']): Promise<void> {
  for (const [service, name] of [
    ['user', 'LIMIT_RULES'],
    ['file', 'LIMIT_RULES'],
    ['audit', 'AUDIT_RETENTION_MONTHS'],
  ] as const) {
    const [container] = await fleet.containers(service);
    const value = await fleet.docker(['exec', container?.id ?? '', 'sh', '-c', `echo "$${name}"`]);
    check(`${name} arrives at ${service}`, value.trim() === SETTINGS[name], value);
  }
}

/** Each run of the job `bucket` left an anonymous volume. */
async function checkVolumes(fleet: ContainerFleet, check: Checks['check']): Promise<void> {
  await fleet.compose(['run', '--rm', '--no-deps', 'bucket']);
  const names = (await fleet.docker(['volume', 'ls', '--quiet'])).trim().split('\n');
  const anonymous = names.filter((name) => !name.startsWith('muniment_'));
  check('no container leaves an anonymous volume', anonymous.length === 0, anonymous);
}
