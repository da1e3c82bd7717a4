import { readFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../free-port.ts';
import { writeAtomically } from '../../write-atomically.ts';
import { isFree } from './busy-port.ts';

/** A port for each name: a fixed one, or the last start's if no other program has taken it. */
export async function assignPorts(
  data: string,
  names: string[],
  fixed: Record<string, number> = {},
): Promise<Record<string, number>> {
  const file = path.join(data, 'ports.json');
  const previous = readPorts(file);
  const ports: Record<string, number> = { ...fixed };
  for (const name of names) {
    if (fixed[name] !== undefined) continue;
    let port = previous[name];
    while (port === undefined || Object.values(ports).includes(port) || !(await isFree(port)))
      port = await freePort();
    ports[name] = port;
  }
  writeAtomically(file, `${JSON.stringify({ ...previous, ...ports }, undefined, 2)}\n`);
  return ports;
}

function readPorts(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
