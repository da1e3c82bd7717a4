import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { findProgram } from './ensure-nginx.ts';

/**
 * Creates a self-signed certificate for localhost once, valid for ten years.
 * Undefined without openssl: the fleet then runs without TLS.
 */
export function tlsCertificate(dir: string): { certificate: string; key: string } | undefined {
  const certificate = path.join(dir, 'cert.pem');
  const key = path.join(dir, 'key.pem');
  if (existsSync(certificate) && existsSync(key)) return { certificate, key };
  const openssl = findProgram('openssl');
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
