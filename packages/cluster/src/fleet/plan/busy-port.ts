import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { FleetError } from '../../errors.ts';
import { canListen } from '../../free-port.ts';
import { commandLine } from '../supervisor/process-table.ts';

const LISTENING = '0A';

/** Refuses with the port and the process that holds it, when one does. */
export async function requireFree(port: number, what: string, howToChange: string): Promise<void> {
  if (await isFree(port)) return;
  throw new FleetError(
    `port ${port} (${what}) is taken by ${describe(port)}. Stop it or choose another: ${howToChange}`,
  );
}

/** Whether nobody listens at this port, on any address, and this user may. */
export async function isFree(port: number): Promise<boolean> {
  return listeners(port).length === 0 && (await canListen(port));
}

function describe(port: number): string {
  const inodes = new Set(listeners(port));
  if (inodes.size === 0)
    return 'a process that could not be found (or the port may not be used by this user)';
  const holders = holdersOf(inodes).map(
    (pid) => `process ${pid} (${commandLine(pid).slice(0, 200) || 'unknown command'})`,
  );
  return holders.length > 0
    ? holders.slice(0, 3).join(', ')
    : 'a process of another user (look with: sudo ss -ltnp)';
}

// /proc/net/tcp: sl, local address:port in hex, remote, state, queues, timers, retransmits, uid, timeout, inode.
function listeners(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => read(file).split('\n').slice(1))
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTENING && fields[9] !== undefined
        ? [fields[9]]
        : [];
    });
}

/** Pids, smallest first: a master before its workers. */
function holdersOf(inodes: Set<string>): number[] {
  const sockets = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b)
    .filter((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => {
          try {
            return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
          } catch {
            return false; // closed meanwhile
          }
        });
      } catch {
        return false; // ended meanwhile, or another user's
      }
    });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // a kernel without IPv6
  }
}
