import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { FleetError } from '../../errors.ts';
import { canListen } from '../../free-port.ts';
import { commandLine, processStat } from '../supervisor/process-table.ts';

const LISTENING = '0A';
const MAX_HOLDERS = 3;
const NO_GROUP = -1;

/** Process groups whose ports count as free: those of the fleet that will be stopped. */
type Groups = ReadonlySet<number>;
const NONE: Groups = new Set();

/** What a port is for, in words, and how another one is chosen. */
export interface PortUse {
  what: string;
  howToChange: string;
}

/** @throws FleetError that names the port and the process that holds it */
export async function requireFree(
  port: number,
  { what, howToChange }: PortUse,
  stopping: Groups = NONE,
): Promise<void> {
  if (await isFree(port, stopping)) return;
  throw new FleetError(
    `Port ${port} (${what}) is taken by ${describeHolders(port)}. ` +
      `Stop it or choose another port: ${howToChange}`,
  );
}

/** Whether nothing else listens at this port, on any address, and this user may listen. */
export async function isFree(port: number, stopping: Groups = NONE): Promise<boolean> {
  const inodes = listenerInodes(port);
  // A fleet that listens there may do so: nobody else could have the socket.
  if (inodes.length > 0) return inodes.every((inode) => isHeldBy(stopping, inode));
  return canListen(port);
}

function isHeldBy(groups: Groups, inode: string): boolean {
  if (groups.size === 0) return false;
  const holders = holdersOf(new Set([inode]));
  return (
    holders.length > 0 && holders.every((pid) => groups.has(processStat(pid)?.group ?? NO_GROUP))
  );
}

function describeHolders(port: number): string {
  const inodes = new Set(listenerInodes(port));
  if (inodes.size === 0) return 'an unknown process, or this user may not use it';
  const holders = holdersOf(inodes).map(
    (pid) => `process ${pid} (${commandLine(pid).slice(0, 200) || 'unknown command'})`,
  );
  return holders.length > 0
    ? holders.slice(0, MAX_HOLDERS).join(', ')
    : 'a process of another user (find it with: sudo ss -ltnp)';
}

// Fields of /proc/net/tcp: 1 is the local address with a hex port, 3 the state, 9 the inode.
function listenerInodes(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readTable(file).split('\n').slice(1))
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTENING && fields[9] !== undefined
        ? [fields[9]]
        : [];
    });
}

/** The pids that hold these sockets, smallest first: a master before its workers. */
function holdersOf(inodes: Set<string>): number[] {
  const sockets = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b)
    .filter((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) =>
          isLinkTo(sockets, `/proc/${pid}/fd/${fd}`),
        );
      } catch {
        return false; // The process has ended or belongs to another user.
      }
    });
}

function isLinkTo(targets: ReadonlySet<string>, link: string): boolean {
  try {
    return targets.has(readlinkSync(link));
  } catch {
    return false; // The descriptor was closed meanwhile.
  }
}

function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // A kernel without IPv6.
  }
}
