import { readFileSync } from 'node:fs';
import path from 'node:path';
import { claimBlockOf, freePort } from '../../free-port.ts';
import { writeAtomically } from '../../write-atomically.ts';
import { isFree } from './busy-port.ts';

export interface PortRequest {
  /** Folder of the ports of the last start. */
  data: string;
  names: string[];
  /** Ports that are not chosen, by name. */
  fixed?: Record<string, number>;
  /** Ports that the fleet uses for something else. */
  taken?: readonly number[];
  /** Process groups whose ports count as free. */
  stopping?: ReadonlySet<number>;
}

/** A port for each name: a fixed one, or the last start's if nothing else has taken it. */
export async function assignPorts(request: PortRequest): Promise<Record<string, number>> {
  const { data, names, fixed = {}, taken = [], stopping } = request;
  const file = path.join(data, 'ports.json');
  const previous = readPorts(file);
  const ports: Record<string, number> = { ...fixed };
  const isTaken = (port: number): boolean =>
    taken.includes(port) || Object.values(ports).includes(port);
  for (const name of names) {
    if (fixed[name] !== undefined) continue;
    const last = previous[name];
    ports[name] =
      last !== undefined && !isTaken(last) && (await canKeep(last, stopping))
        ? last
        : await newPort(isTaken);
  }
  writeAtomically(file, `${JSON.stringify({ ...previous, ...ports }, undefined, 2)}\n`);
  return ports;
}

/** Whether nothing else took the port of the last start, nor is about to. */
const canKeep = async (port: number, stopping: PortRequest['stopping']): Promise<boolean> =>
  (await claimBlockOf(port)) && (await isFree(port, stopping));

async function newPort(isTaken: (port: number) => boolean): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (!isTaken(port) && (await isFree(port))) return port;
  }
}

function readPorts(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
