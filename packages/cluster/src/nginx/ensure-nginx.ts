import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { installDebianPackages } from '../debian-packages.ts';
import { FleetError } from '../errors.ts';

// An ordinary user's PATH may lack these.
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];

/** Paths of this machine; tests give others. */
export interface Machine {
  systemFolders?: string[];
  policy?: string;
}

/** Finds the nginx program, or installs it as root on Debian. @returns its path */
export async function ensureNginx(
  report: (line: string) => void,
  machine: Machine = {},
): Promise<string> {
  const { systemFolders = SYSTEM_FOLDERS, policy } = machine;
  const found = findProgram('nginx', systemFolders);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || findProgram('apt-get', systemFolders) === undefined) {
    throw new FleetError(
      'nginx is not installed. Install it with your package manager and try again ' +
        '(Debian and Ubuntu: sudo apt-get install -y nginx).',
    );
  }
  await installDebianPackages(
    { packages: ['nginx'], services: ['nginx'], ...(policy !== undefined && { policy }) },
    report,
  );
  const installed = findProgram('nginx', systemFolders);
  if (installed === undefined)
    throw new FleetError(
      'apt-get installed nginx, but no nginx program was found. Add it to PATH.',
    );
  return installed;
}

/** Finds a program in PATH or in the system folders. */
export function findProgram(program: string, systemFolders = SYSTEM_FOLDERS): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...systemFolders];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
