import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';

const MIN_PORT = 15_000;
/** A fleet of two replicas each has all its ports in one block. */
const BLOCK = 32;

/** The blocks of this process, by their first port. */
const claims = new Map<number, Promise<Server | undefined>>();

/** Claimed ports that were not given yet. */
const rest: number[] = [];
let refill: Promise<void> | undefined;

/**
 * A free TCP port on 127.0.0.1, given once, below the kernel's range for outgoing connections.
 * One of those could take the port while a killed server restarts.
 *
 * A process takes its ports from whole blocks, which no other process does. So of two fleets that
 * start at once, or while one restarts a replica, neither gets the other's port. With single random
 * ports, two of five fleets of twelve ports that start at once share one in 8 % of the cases.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = rest.shift();
    if (port === undefined) await (refill ??= claimMore());
    else if (await canListen(port)) return port;
  }
}

/**
 * Keeps other processes from choosing the block of this port, until this process ends.
 * @returns false when another process has it
 */
export async function claimBlockOf(port: number): Promise<boolean> {
  const first = firstOfBlock(port);
  // The name is abstract: it belongs to the network namespace, as ports do, and leaves no file.
  let claim = claims.get(first);
  claim ??= tryListen({ path: `\0muniment-ports-${first}` });
  claims.set(first, claim);
  if (await claim) return true;
  claims.delete(first);
  return false;
}

/** Whether this process can listen at this port on 127.0.0.1. */
export async function canListen(port: number): Promise<boolean> {
  const server = await tryListen({ port, host: '127.0.0.1' });
  if (!server) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

async function claimMore(): Promise<void> {
  const end = readEphemeralStart() - BLOCK;
  let ports: number[] | undefined;
  while (!ports) {
    const first = firstOfBlock(randomInt(MIN_PORT, end));
    if (!claims.has(first)) ports = await claimFreeBlock(first);
  }
  rest.push(...ports);
  refill = undefined;
}

/** Claims a block in which nobody listens: a fleet has one as long as it runs. */
export async function claimFreeBlock(first: number): Promise<number[] | undefined> {
  if (!(await claimBlockOf(first))) return undefined;
  const ports = Array.from({ length: BLOCK }, (_, index) => first + index);
  const free = await Promise.all(ports.map(canListen));
  return free.every(Boolean) ? ports : undefined;
}

const firstOfBlock = (port: number): number => port - (port % BLOCK);

async function tryListen(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer();
  server.unref();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(where, () => resolve(server));
  });
}

function readEphemeralStart(): number {
  const start = Number(
    readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0],
  );
  return start > MIN_PORT + 1000 ? start : 60_000;
}
