import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** The images of others, by the names that Dockerfile and docker-compose.yml give them. */
export interface ImageNames {
  node: string;
  nginx: string;
  minio: string;
  postgres: string;
  prometheus: string;
  mailpit: string;
}

export function readImageNames(root: string): ImageNames {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, { image?: string }> };
  const base = (name: string): string => {
    const image = new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1];
    if (image === undefined) throw new Error(`The Dockerfile names no image ${name}.`);
    return image;
  };
  const image = (name: string): string => {
    const found = services[name]?.image;
    if (found === undefined) throw new Error(`docker-compose.yml names no image of ${name}.`);
    return found;
  };
  return {
    node: base('NODE'),
    nginx: base('NGINX'),
    minio: base('MINIO'),
    postgres: image('postgres'),
    prometheus: image('prometheus'),
    mailpit: image('mailpit'),
  };
}
