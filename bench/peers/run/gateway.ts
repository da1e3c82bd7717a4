import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureNginx } from '@muniment/cluster';
import { answers, launch } from './launch.ts';
import { createFolder, type Run } from './run.ts';

export interface Gateway {
  url: string;
  pid: number;
}

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

interface Upstream {
  dir: string;
  port: number;
  ports: number[];
}

const configuration = ({ dir, port, ports }: Upstream): string => `daemon off;
worker_processes 2;
pid "${dir}/nginx.pid";
error_log "${dir}/error.log" warn;
events { worker_connections 1024; }
http {
  access_log off;
  ${TEMPORARY.map((name) => `${name}_temp_path "${dir}/${name}";`).join(' ')}
  client_max_body_size 64m; client_body_buffer_size 128k;
  keepalive_timeout 75s; keepalive_requests 1000000; tcp_nodelay on;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_request_buffering off;
  proxy_buffer_size 32k; proxy_buffers 16 32k; proxy_busy_buffers_size 64k;
  proxy_max_temp_file_size 0;
  proxy_next_upstream off;
  upstream target {
${ports.map((one) => `    server 127.0.0.1:${one} max_fails=0;`).join('\n')}
    # Shorter than Node's 5 s, or Nginx would reuse a connection that the service just closes.
    keepalive 64; keepalive_requests 1000000; keepalive_timeout 4s;
  }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://target; } }
}
`;

/** Starts an Nginx before a peer's processes, with the same settings for every peer. */
export async function startGateway(
  run: Run,
  { name, port, ports, health }: { name: string; port: number; ports: number[]; health: string },
): Promise<Gateway> {
  const dir = createFolder(run, `${name}-nginx`);
  await writeFile(join(dir, 'nginx.conf'), configuration({ dir, port, ports }));
  const url = `http://127.0.0.1:${port}`;
  const pid = await launch(
    run,
    {
      name: `${name}-nginx`,
      cwd: dir,
      command: [
        await ensureNginx(run.report),
        '-p',
        `${dir}/`,
        '-c',
        join(dir, 'nginx.conf'),
        '-e',
        join(dir, 'error.log'),
      ],
      environment: {},
      stopSignal: 'SIGQUIT',
    },
    () => answers(url + health),
  );
  return { url, pid };
}
