import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { splitList } from '@muniment/server';
import { WebhookUrlRefused } from '../../errors.ts';
import { isPublicAddress } from './public-address.ts';

export const MAX_URL_LENGTH = 2_048;

/** The addresses of a host name, all of them; rejects when there are none. */
export type Resolve = (hostname: string) => Promise<string[]>;

/** Where a webhook goes, and by which rules. */
export interface Endpoint {
  url: URL;
  /** Its host and port are allowed by name: plain HTTP and addresses that are not public are, too. */
  allowed: boolean;
}

/** An endpoint with the addresses that were checked: whoever connects must connect to one of them. */
export interface VettedEndpoint extends Endpoint {
  addresses: string[];
}

const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;
/** Ports of services that speak no HTTP lie below; 443 is the one that does. */
const LEAST_PORT = 1_024;

/** Asks the name servers, without the search domains that would make an inner host of a short name. */
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

/** As URL gives it: IPv6 in brackets. */
const bareHost = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');
const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

/** Reads `host:port` pairs, comma separated; a host as the URL standard spells it (lower case, IPv6 in brackets). */
export function readAllowList(setting: string): ReadonlySet<string> {
  return new Set(splitList(setting).map((pair) => pair.toLowerCase()));
}

/**
 * Checks all of a URL that can be checked without asking anybody. The URL standard has turned every other spelling of an IPv4 address (one
 * number, octal, hexadecimal) into the usual one by then.
 * @throws webhook_url_refused, with the reason
 */
export function readEndpoint(text: string, allowList: ReadonlySet<string>): Endpoint {
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
 * Looks the host up, once: the addresses that pass are those to connect to, so that a name server cannot answer the check with one address and
 * the connection with another.
 * @throws webhook_url_refused when the host has no address, or any that is not public
 */
export async function vetEndpoint(endpoint: Endpoint, resolve: Resolve): Promise<VettedEndpoint> {
  const host = bareHost(endpoint.url);
  if (isIP(host) !== 0) return { ...endpoint, addresses: [host] };
  const addresses = await resolve(host).catch((cause: unknown) => {
    throw Object.assign(refused('its host has no address'), { cause });
  });
  // All, not one: a host that has a private address beside a public one is either a mistake or an attempt.
  if (addresses.length === 0 || (!endpoint.allowed && !addresses.every(isPublicAddress)))
    throw refused('its host has an address that is not a public one');
  return { ...endpoint, addresses };
}
