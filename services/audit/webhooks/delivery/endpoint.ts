import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { splitList } from '@muniment/server';
import { WebhookUrlRefused } from '../../errors.ts';
import { isPublicAddress } from './public-address.ts';

export const MAX_URL_LENGTH = 2_048;

/** All addresses of a host name. It rejects when there are none. */
export type Resolve = (hostname: string) => Promise<string[]>;

/** The target of a webhook. */
export interface Endpoint {
  url: URL;
  /** Its host and port are on the allow list: plain HTTP and private addresses are permitted. */
  allowed: boolean;
}

/** An endpoint with its checked addresses. Connections go to one of these only. */
export interface VettedEndpoint extends Endpoint {
  addresses: string[];
}

const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;
/** Below lie services that speak no HTTP, except 443. */
const LEAST_PORT = 1_024;

/**
 * Asks the name servers without search domains, which would turn a short name into an internal
 * host.
 */
export const resolveByDns: Resolve = async (hostname) => {
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  const answers = await Promise.allSettled([
    resolver.resolve4(hostname),
    resolver.resolve6(hostname),
  ]);
  const addresses = answers.flatMap((answer) =>
    answer.status === 'fulfilled' ? answer.value : [],
  );
  if (addresses.length === 0)
    throw new Error(`${hostname} has no address`, {
      cause: answers.map((answer) => (answer.status === 'rejected' ? answer.reason : undefined)),
    });
  return addresses;
};

const refused = (reason: string): Error => new WebhookUrlRefused(reason);

/** The host without the brackets of IPv6. */
const bareHost = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');
const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

/** Parses comma-separated `host:port` pairs; hosts as the URL standard spells them. */
export function parseAllowList(setting: string): ReadonlySet<string> {
  return new Set(splitList(setting).map((pair) => pair.toLowerCase()));
}

/**
 * Checks a URL without asking anybody. The URL parser has already normalised other spellings of
 * IPv4 (one number, octal, hexadecimal).
 * @throws WebhookUrlRefused, with the reason
 */
export function parseEndpoint(text: string, allowList: ReadonlySet<string>): Endpoint {
  if (text.length > MAX_URL_LENGTH || !URL.canParse(text)) throw refused('it is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw refused('its scheme is not https');
  if (url.username !== '' || url.password !== '')
    throw refused('it has credentials; the signature says who sends');
  if (url.hash !== '') throw refused('it has a fragment, which is never sent');
  const port = portOf(url);
  const allowed = allowList.has(`${url.hostname}:${port}`);
  if (allowed) return { url, allowed };
  if (url.protocol !== 'https:') throw refused('its scheme is not https');
  if (port !== 443 && port < LEAST_PORT)
    throw refused(`port ${port} is not 443 and below ${LEAST_PORT}`);
  const host = bareHost(url);
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw refused('its address is not a public one');
  return { url, allowed };
}

/**
 * Resolves the host once and pins the connection to the checked addresses. A name server cannot
 * answer the check with one address and the connection with another.
 * @throws WebhookUrlRefused without an address, or with any that is not public
 */
export async function vetEndpoint(endpoint: Endpoint, resolve: Resolve): Promise<VettedEndpoint> {
  const host = bareHost(endpoint.url);
  if (isIP(host) !== 0) return { ...endpoint, addresses: [host] };
  const addresses = await resolve(host).catch((cause: unknown) => {
    throw Object.assign(refused('its host has no address'), { cause });
  });
  // All of them: a private address beside a public one is a mistake or an attack.
  if (addresses.length === 0 || (!endpoint.allowed && !addresses.every(isPublicAddress)))
    throw refused('its host has an address that is not a public one');
  return { ...endpoint, addresses };
}
