import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetSettings } from '../settings.ts';
import { fleetFile } from '../supervisor/fleet-files.ts';
import { isReady } from '../supervisor/readiness.ts';
import { isSupervisorAlive, readState } from '../supervisor/state.ts';

const READY_TIMEOUT_MS = 10_000;

export interface MailAccess {
  page: string;
  user: string;
  passwordFile: string;
}

/** The addresses of a running fleet. */
export interface LaunchedFleet {
  http: string;
  https: string | null;
  /** The page that shows the fleet's mails, and who may see it. */
  mail: MailAccess;
  /** Number of processes. */
  processes: number;
}

/** Reads fleet.json. */
export function readLaunchedFleet(data: string): LaunchedFleet {
  const {
    gateway,
    mail,
    processes,
  }: { gateway: { http: string; https: string | null }; mail: MailAccess; processes: unknown[] } =
    JSON.parse(readFileSync(fleetFile(data), 'utf8'));
  return { ...gateway, mail, processes: processes.length };
}

/** The running fleet, if it has these settings and is ready. Otherwise reports why not. */
export async function findRunningFleet(
  settings: FleetSettings,
  report: (line: string) => void,
): Promise<LaunchedFleet | undefined> {
  const state = readState(settings.data);
  if (!isSupervisorAlive(state) || state.phase !== 'running') return undefined;
  const changes = describeChanges(state.settings, { ...settings });
  if (changes.length > 0) {
    report(`settings have changed (${changes.join('; ')}): restarting the fleet`);
    return undefined;
  }
  // Waits for a process that is just restarting, which is no reason to stop the others.
  for (const deadline = performance.now() + READY_TIMEOUT_MS; ; await sleep(100)) {
    if (await isEveryProcessReady(settings.data)) return readLaunchedFleet(settings.data);
    if (performance.now() > deadline) break;
  }
  report('a part of the running fleet is not ready: restarting the fleet');
  return undefined;
}

function describeChanges(
  running: Record<string, unknown>,
  requested: Record<string, unknown>,
): string[] {
  return Object.keys(requested)
    .filter((name) => !isDeepStrictEqual(running[name], requested[name]))
    .map((name) =>
      // The services' settings may hold secrets: only names are shown.
      name === 'services'
        ? changedNames(running[name] ?? {}, requested[name] ?? {}).join(', ')
        : `${name} ${JSON.stringify(running[name])}, now ${JSON.stringify(requested[name])}`,
    );
}

function changedNames(running: object, requested: object): string[] {
  const before = new Map<string, unknown>(Object.entries(running));
  const after = new Map<string, unknown>(Object.entries(requested));
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
}

async function isEveryProcessReady(data: string): Promise<boolean> {
  const processes = readState(data)?.processes ?? [];
  const ready = await Promise.all(
    processes.map(({ ready: probe, pid }) =>
      pid === undefined ? Promise.resolve(false) : isReady(probe, pid),
    ),
  );
  return ready.length > 0 && ready.every(Boolean);
}
