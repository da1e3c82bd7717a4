import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, tryCommand } from '../engine/command.ts';
import type { ImageNames } from './image-names.ts';
import { addNode, debian } from './root-file-system.ts';

/** The release of the stand-ins: it has nginx 1.30, PostgreSQL 18 and Prometheus 3. */
const NEXT_DEBIAN = 'forky';
const NEXT_IMAGE = `muniment-stand-in-debian:${NEXT_DEBIAN}`;
const NODE_DEBIAN = 'bookworm';

export interface BaseImagesOptions {
  root: string;
  cache: string;
  env: Record<string, string>;
  names: ImageNames;
  report: (line: string) => void;
}

/** Makes the stand-ins for node, nginx, PostgreSQL and Prometheus, unless the cache has them. */
export async function makeBaseImages(options: BaseImagesOptions): Promise<void> {
  const { root, cache, env, names, report } = options;
  const stamp = join(cache, 'base-images');
  const recipe = hashRecipe(root, names);
  const made = [names.node, names.nginx, names.postgres, names.prometheus];
  const present = await tryCommand(['docker', 'image', 'inspect', ...made, NEXT_IMAGE], { env });
  if (present.code === 0 && existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return;
  report('making the stand-ins for base images (some minutes, once)');
  const folder = join(cache, 'root-file-system');

  await debian(folder, NODE_DEBIAN);
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  await addNode(folder, join(root, `node_modules/node-linux-${arch}`));
  await importImage(folder, names.node, options, [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt',
    'CMD ["node"]',
  ]);

  await debian(folder, NEXT_DEBIAN);
  await importImage(folder, NEXT_IMAGE, options, []);
  rmSync(folder, { recursive: true, force: true });
  for (const target of ['nginx', 'postgres', 'prometheus'] as const)
    await buildStandIn(target, names[target], options);
  writeFileSync(stamp, recipe);
}

/** Builds one target of the stand-ins' Dockerfile under the name that the repository expects. */
export async function buildStandIn(
  target: string,
  name: string,
  { root, env, names }: Pick<BaseImagesOptions, 'root' | 'env' | 'names'>,
): Promise<void> {
  const folder = join(root, 'test/docker/stand-ins');
  await command(
    ['docker', 'build', '--network', 'host', '--target', target, '--tag', name]
      .concat(['--build-arg', `NEXT=${NEXT_IMAGE}`, '--build-arg', `NODE=${names.node}`])
      .concat(folder),
    { env },
  );
}

async function importImage(
  folder: string,
  name: string,
  { cache, env }: BaseImagesOptions,
  changes: string[],
): Promise<void> {
  const archive = join(cache, 'root-file-system.tar');
  await command(['tar', '-C', folder, '--numeric-owner', '-cf', archive, '.']);
  await command(
    ['docker', 'import', ...changes.flatMap((change) => ['--change', change]), archive, name],
    { env },
  );
  rmSync(archive);
}

/** Changes with what these images are made of, but for their packages' versions. */
function hashRecipe(root: string, names: ImageNames): string {
  const hash = createHash('sha256').update(JSON.stringify(names));
  const folder = join(root, 'test/docker');
  const files = readdirSync(join(folder, 'images')).map((name) => join('images', name));
  for (const file of [...files, 'stand-ins/Dockerfile', 'stand-ins/postgres-entrypoint.sh'])
    hash.update(readFileSync(join(folder, file)));
  return hash.digest('hex');
}
