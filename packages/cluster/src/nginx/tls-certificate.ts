import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { find } from './ensure-nginx.ts';

/**
 * The self-signed certificate for localhost in `dir`, made once (it is valid for ten years, for this machine only).
 * undefined when there is no openssl: the fleet then runs without TLS.
 */
export function tlsCertificate(dir: string): { certificate: string; key: string } | undefined {
  const certificate = path.join(dir, 'cert.pem');
  const key = path.join(dir, 'key.pem');
  if (existsSync(certificate) && existsSync(key)) return { certificate, key };
  const openssl = find('openssl');
  if (openssl === undefined) return undefined;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const made = spawnSync(
    openssl,
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '3650',
      '-keyout',
      `${key}.new`,
      '-out',
      `${certificate}.new`,
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1',
    ],
    { stdio: 'ignore' },
  );
  if (made.status !== 0) return undefined;
  renameSync(`${key}.new`, key);
  renameSync(`${certificate}.new`, certificate);
  return { certificate, key };
}
