import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isFree } from './busy-port.ts';
import { writeAtomically } from './write-atomically.ts';

const LOWEST = 15_000;

/**
 * A port for each name: the same at every start, unless another program has taken it meanwhile. From below the range
 * that the kernel gives to outgoing connections: there a killed replica could find its port taken by one of them.
 */
export async function assignPorts(data: string, names: string[]): Promise<Record<string, number>> {
  const file = path.join(data, 'ports.json');
  const known = readPorts(file);
  const ports: Record<string, number> = {};
  const highest = ephemeralStart();
  for (const name of names) {
    let port = known[name];
    while (port === undefined || Object.values(ports).includes(port) || !(await isFree(port))) port = randomInt(LOWEST, highest);
    ports[name] = port;
  }
  writeAtomically(file, `${JSON.stringify({ ...known, ...ports }, undefined, 2)}\n`);
  return ports;
}

function readPorts(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

function ephemeralStart(): number {
  const start = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
  return start > LOWEST + 1000 ? start : 60_000;
}
