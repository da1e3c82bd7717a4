import { readFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';

const TEMPLATE = path.join(import.meta.dirname, '../../../../nginx/nginx.conf.template');

export interface GatewayConfig {
  /** Folder of the configuration, the access log and temporary files. */
  dir: string;
  /** Addresses to listen on, e.g. 127.0.0.1 and [::1]. */
  hosts: string[];
  port: number;
  /** Absent: no TLS. */
  tls?: { port: number; certificate: string; key: string };
  upstreams: { user: number[]; file: number[]; audit: number[] };
  /** host:port of S3. Presigned URLs are signed for this Host. */
  s3Host: string;
  uploadMaxBytes: number;
  limits: boolean;
  /** Folder of the gateway's own pages, see preparePages. */
  pages: string;
  /** CORS_ORIGINS of the services: their pages may read the gateway's own problems. */
  corsOrigins?: string;
  /** URL of the mail catcher, which the front page names. */
  mailPage?: string;
  /** Sent to the services with each request. No character that needs quoting. */
  secret: string;
  /** Whether the master runs as root; its workers then run as nobody. */
  root: boolean;
}

const CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The text of nginx.conf for a fleet on this machine. */
export function nginxConfig(config: GatewayConfig): string {
  // Each replica is also its own backup, since nginx avoids one that is back for up to four seconds.
  // When the others die meanwhile it must still serve. Measured without: 12 of 744 reads were 502.
  const servers = (ports: number[]): string =>
    ['max_fails=3 fail_timeout=1s', 'backup max_fails=0']
      .flatMap((terms) => ports.map((port) => `server 127.0.0.1:${port} ${terms};`))
      .join('\n    ');
  const { tls } = config;
  const listen = config.hosts.map((host) => `listen ${host}:${config.port};`);
  if (tls) {
    listen.push(
      ...config.hosts.map((host) => `listen ${host}:${tls.port} ssl http2;`),
      `ssl_certificate ${quoted(tls.certificate)};`,
      `ssl_certificate_key ${quoted(tls.key)};`,
      'ssl_protocols TLSv1.2 TLSv1.3;',
      `ssl_ciphers ${CIPHERS};`,
      'ssl_session_cache shared:tls:5m;',
      'ssl_session_tickets off;',
    );
  }
  return renderTemplate(readFileSync(TEMPLATE, 'utf8'), {
    MAIN: [
      ...(config.root ? [`user nobody ${groupOfNobody()};`] : []),
      'daemon off;',
      'worker_processes auto;',
      `pid ${quoted(path.join(config.dir, 'nginx.pid'))};`,
      'error_log stderr warn;',
    ].join('\n'),
    TMP_DIR: path.join(config.dir, 'tmp'),
    ACCESS_LOG: path.join(config.dir, 'access.log'),
    USER_SERVERS: servers(config.upstreams.user),
    FILE_SERVERS: servers(config.upstreams.file),
    AUDIT_SERVERS: servers(config.upstreams.audit),
    S3_SERVERS: `server ${config.s3Host} max_fails=0;`,
    S3_URL: 'http://s3',
    S3_HOST: config.s3Host,
    LISTEN: listen.join('\n    '),
    UPLOAD_PASS: 'proxy_pass http://file;',
    EVENTS_PASS: 'proxy_pass http://audit;',
    USER_PASS: 'proxy_pass http://user$bare_path;',
    // One MiB more for the multipart frame: the service itself answers a file slightly too large.
    UPLOAD_MAX_BODY: String(config.uploadMaxBytes + 1024 * 1024),
    // Comments the lines of limits out.
    LIMITS: config.limits ? '' : '#',
    CORS_ORIGINS: corsLines(config.corsOrigins ?? ''),
    PAGES: escaped(config.pages),
    MAIL_PAGE: escaped(config.mailPage ?? ''),
    GATEWAY_SECRET: config.secret,
  });
}

// What a browser's Origin can hold, and nothing that has a meaning in nginx's configuration.
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.:[\]_-]{1,200}$/;

/** The lines of nginx's map of origins. @throws FleetError for what is no origin */
function corsLines(setting: string): string {
  const origins = setting.split(',').flatMap((part) => part.trim().toLowerCase() || []);
  return [...new Set(origins)]
    .map((origin) => {
      if (!ORIGIN.test(origin))
        throw new FleetError(
          `CORS_ORIGINS=${setting} is invalid. Name origins such as https://app.example, ` +
            'without a path, comma separated.',
        );
      return `"${origin}" "${origin}";`;
    })
    .join('\n    ');
}

/** Fills in ${UPPER_CASE}, as envsubst does in a container. @throws for a missing value */
export function renderTemplate(template: string, values: Record<string, string>): string {
  return template.replace(/^#.*$/gm, '').replace(/\$\{([A-Z][A-Z0-9_]*)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined)
      throw new FleetError(`nginx.conf.template needs a value for ${name}. Add it to nginxConfig.`);
    return value;
  });
}

function groupOfNobody(): string {
  return /^nogroup:/m.test(readFileSync('/etc/group', 'utf8')) ? 'nogroup' : 'nobody';
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

function escaped(text: string): string {
  return text.replace(/["\\$]/g, '\\$&');
}
