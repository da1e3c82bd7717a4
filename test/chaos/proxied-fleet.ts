import { freePort, startFaultProxy, type FaultProxy } from '@muniment/cluster';
import type { Teardown } from '@muniment/testing';
import { startFleet, type Fleet } from '../e2e/fleet.ts';
import type { Proxies } from './nemesis/inject-fault.ts';

/** Replicas of each service. */
export const REPLICAS = 2;

/** Starts a fleet whose services reach each store through a fault proxy. */
export async function startProxiedFleet(t: Teardown): Promise<{ fleet: Fleet; proxies: Proxies }> {
  const settings: Record<string, string> = {
    REPLICAS: String(REPLICAS),
    RELAY_RESEND_AFTER_MS: '5000',
    ACCESS_TOKEN_TTL_S: '86400',
  };
  const startProxy = async (store: string): Promise<FaultProxy> => {
    const port = await freePort();
    const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port } });
    t.teardown(() => proxy.stop());
    Object.assign(settings, {
      [`${store}_PORT`]: String(port),
      [`PROXY_${store}_PORT`]: String(proxy.port),
    });
    return proxy;
  };
  const proxies = {
    postgres: await startProxy('POSTGRES'),
    kinesis: await startProxy('KINESIS'),
    s3: await startProxy('S3'),
  };
  return { proxies, fleet: await startFleet(t, settings) };
}
