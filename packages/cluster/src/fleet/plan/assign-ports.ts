import { readFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../free-port.ts';
import { isFree } from './busy-port.ts';
import { writeAtomically } from '../../write-atomically.ts';

/**
 * A port for each name: the one that was fixed, else the same at every start, unless another program has taken it.
 */
export async function assignPorts(
  data: string,
  names: string[],
  fixed: Record<string, number> = {},
): Promise<Record<string, number>> {
  const file = path.join(data, 'ports.json');
  const known = readPorts(file);
  const ports: Record<string, number> = { ...fixed };
  for (const name of names) {
    if (fixed[name] !== undefined) continue;
    let port = known[name];
    while (port === undefined || Object.values(ports).includes(port) || !(await isFree(port)))
      port = await freePort();
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
