/**
 * `node scripts/check-rooms.ts`, part of `make lint`: holds the layout of services and packages.
 * A room is a folder below services/<name>/ or packages/<name>/src/. Prints each violation.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { findCycles } from './checks/find-cycles.ts';
import { readImports } from './checks/read-imports.ts';
import { readRegistrationOrder } from './checks/registration-order.ts';
import { listFiles } from './checks/source-files.ts';

const MAX_FILES = 15;
const TOP_FILES = ['server', 'app', 'config', 'context', 'tables', 'errors', 'maintenance'];
const ALLOWED_AT_TOP = new Set([...TOP_FILES.map((name) => `${name}.ts`), 'package.json']);

interface Arrow {
  file: string;
  target: string;
  isTypeOnly: boolean;
}

interface Place {
  /** The service or package, as `services/user` or `packages/server/src`. */
  unit: string;
  /** The folders below the unit; empty for its top. */
  room: string;
}

function placeOf(file: string): Place | undefined {
  const match = /^(services\/[^/]+|packages\/[^/]+\/src)\/(?:(.+)\/)?[^/]+$/.exec(file);
  const [, unit, room = ''] = match ?? [];
  if (unit === undefined || /^(test|migrations)(\/|$)/.test(room)) return undefined;
  return { unit, room };
}

/** Two folders below the root, as `services/user`. A missing parent has none. */
function listUnits(root: string, parent: string): string[] {
  if (!existsSync(join(root, parent))) return [];
  return readdirSync(join(root, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${parent}/${name}`);
}

function readArrows(files: ReadonlySet<string>, sources: ReadonlyMap<string, string>): Arrow[] {
  return [...sources].flatMap(([file, source]) =>
    readImports(source)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier, isTypeOnly }) => ({
        file,
        target: normalize(join(dirname(file), specifier)),
        isTypeOnly,
      }))
      .filter(({ target }) => files.has(target)),
  );
}

/** The imports of values between two rooms of one unit, by `from` and `to`. */
function groupByRooms(arrows: readonly Arrow[], unit: string): Map<string, Map<string, Arrow[]>> {
  const rooms = new Map<string, Map<string, Arrow[]>>();
  for (const arrow of arrows) {
    const [from, to] = [placeOf(arrow.file), placeOf(arrow.target)];
    if (arrow.isTypeOnly || from?.unit !== unit || to?.unit !== unit) continue;
    if (from.room === '' || to.room === '' || from.room === to.room) continue;
    const targets = rooms.get(from.room) ?? new Map<string, Arrow[]>();
    rooms.set(from.room, targets.set(to.room, [...(targets.get(to.room) ?? []), arrow]));
  }
  return rooms;
}

/** Names the arrow of each cycle that the fewest imports make: it is the cheapest to cut. */
function checkCycles(rooms: ReadonlyMap<string, ReadonlyMap<string, Arrow[]>>): string[] {
  const graph = new Map([...rooms].map(([room, targets]) => [room, new Set(targets.keys())]));
  return findCycles(graph).flatMap((cycle) => {
    const steps = cycle.map((room, index) => {
      const next = cycle[(index + 1) % cycle.length] ?? '';
      return rooms.get(room)?.get(next) ?? [];
    });
    const [weakest = []] = steps.toSorted((one, other) => one.length - other.length);
    const circle = [...cycle, cycle[0]].join(' → ');
    return weakest.map(
      ({ file, target }) =>
        `${file}: imports ${target}, which closes the cycle ${circle}; ` +
        'move what both rooms need to the lower one, or pass it in as an argument',
    );
  });
}

function checkOrder(
  order: readonly string[],
  rooms: ReadonlyMap<string, ReadonlyMap<string, Arrow[]>>,
): string[] {
  return [...rooms].flatMap(([from, targets]) =>
    [...targets]
      .filter(([to]) => order.includes(from) && order.indexOf(to) > order.indexOf(from))
      .flatMap(([to, arrows]) =>
        arrows.map(
          ({ file, target }) =>
            `${file}: imports ${target}, but app.ts registers ${from} before ${to}; ` +
            `register ${to} first, or move what ${from} needs to a lower room`,
        ),
      ),
  );
}

function isRouteFile(file: string, source: string): boolean {
  if (!file.startsWith('services/') || file.endsWith('/app.ts')) return false;
  if (file.endsWith('/routes.ts')) return true;
  const code = source.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  return /(?:\.route|(?<!function )\bdefineRoute)(?:<[^(]*>)?\(/.test(code);
}

function checkRouteImports(
  arrows: readonly Arrow[],
  sources: ReadonlyMap<string, string>,
): string[] {
  return arrows
    .filter(({ target }) => isRouteFile(target, sources.get(target) ?? ''))
    .filter(({ file, target }) => {
      if (/^services\/[^/]+\/app\.ts$/.test(file)) return false;
      const isContents = file.endsWith('/routes.ts') && !target.endsWith('/routes.ts');
      return !isContents || !target.startsWith(`${dirname(file)}/`);
    })
    .map(
      ({ file, target }) =>
        `${file}: imports the route ${target}; only its feature's routes.ts and app.ts may. ` +
        'Move what is shared to a domain, resource or query file',
    );
}

function checkTops(files: readonly string[]): string[] {
  return files
    .filter((file) => /^services\/[^/]+\/[^/]+$/.test(file))
    .filter((file) => !ALLOWED_AT_TOP.has(file.split('/').at(-1) ?? ''))
    .map(
      (file) =>
        `${file}: stands at the top of a service; move it into the folder of its feature ` +
        `(the top holds ${TOP_FILES.join(', ')})`,
    );
}

/** Migrations are exempt: they are numbered, and stay where they are. */
function checkFolderSizes(files: readonly string[]): string[] {
  const counts = Map.groupBy(files, (file) => dirname(file));
  return [...counts]
    .filter(([folder, own]) => own.length > MAX_FILES && !folder.endsWith('/migrations'))
    .map(
      ([folder, own]) =>
        `${folder}: holds ${own.length} files, at most ${MAX_FILES} are allowed; ` +
        'group them into folders by meaning',
    );
}

/** Checks the tree below `root`. @returns each violation as `file: what is wrong and what to do` */
export function checkRooms(root: string): string[] {
  const services = listUnits(root, 'services');
  const packages = listUnits(root, 'packages').map((folder) => `${folder}/src`);
  const units = [...services, ...packages.filter((folder) => existsSync(join(root, folder)))];
  const files = units.flatMap((unit) => listFiles(root, unit));
  const modules = files.filter((file) => file.endsWith('.ts') && placeOf(file) !== undefined);
  const sources = new Map(modules.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  const arrows = readArrows(new Set(files), sources);
  const byUnit = units.flatMap((unit) => {
    const rooms = groupByRooms(arrows, unit);
    const order = readRegistrationOrder(sources.get(`${unit}/app.ts`) ?? '');
    return [...checkCycles(rooms), ...checkOrder(order, rooms)];
  });
  return [
    ...new Set([
      ...byUnit,
      ...checkRouteImports(arrows, sources),
      ...checkTops(files),
      ...checkFolderSizes(files),
    ]),
  ];
}

if (import.meta.main) {
  const violations = checkRooms(join(import.meta.dirname, '..'));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
