import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { tlsCertificate } from '../../src/nginx/tls-certificate.ts';
import { folder } from '../fleet/fake-fleet.ts';

test('a certificate is created once, its key readable by its owner only', (t) => {
  const dir = path.join(folder(t), 'tls');
  const made = tlsCertificate(dir);
  if (!made) throw new Error('openssl is needed');
  const certificate = new X509Certificate(readFileSync(made.certificate));
  t.ok(certificate.checkHost('localhost') && certificate.checkIP('127.0.0.1'));
  t.equal(statSync(made.key).mode & 0o077, 0);
  tlsCertificate(dir);
  t.equal(new X509Certificate(readFileSync(made.certificate)).fingerprint, certificate.fingerprint);
  t.end();
});
