import { freePort } from '@muniment/cluster';
import { startGateway } from './gateway.ts';
import { answers, launch } from './launch.ts';
import { createFolder, type Run } from './run.ts';

/** As many service processes as our own fleet has of each service. */
export const REPLICAS = 2;

export interface Replicas {
  name: string;
  command: string[];
  /** The environment, given the address of the gateway. */
  environment(url: string): Record<string, string>;
  health: string;
  /** Runs through the first process, so that the others start with the final schema. */
  provision?(url: string): Promise<void>;
}

export interface StartedReplicas {
  url: string;
  service: number[];
  nginx: number[];
}

/** Starts a peer's processes and an Nginx before them. */
export async function startReplicas(run: Run, peer: Replicas): Promise<StartedReplicas> {
  const { name, command, health } = peer;
  run.report(`starting ${name}`);
  const cwd = createFolder(run, name);
  const ports = await Promise.all(Array.from({ length: REPLICAS }, freePort));
  const gatewayPort = await freePort();
  const environment = peer.environment(`http://127.0.0.1:${gatewayPort}`);
  const service: number[] = [];
  for (const [index, port] of ports.entries()) {
    const url = `http://127.0.0.1:${port}`;
    const program = {
      name: `${name}-${index + 1}`,
      cwd,
      command,
      environment: { NODE_ENV: 'production', ...environment, PORT: String(port) },
    };
    service.push(await launch(run, program, () => answers(url + health)));
    if (index === 0) await peer.provision?.(url);
  }
  const gateway = await startGateway(run, { name, port: gatewayPort, ports, health });
  return { url: gateway.url, service, nginx: [gateway.pid] };
}
