import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { normalizeAddress } from './ip-address.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

const ADDRESS_OR_RANGE = /^[0-9a-fA-F.:]+(\/\d{1,3})?$/;
const FOUR_PARTS = /^\d{1,3}(\.\d{1,3}){3}(\/|$)/;
const OCTAL_PART = /(^|\.)0\d/;
/** Bits before the IPv4 address in `::ffff:192.0.2.1`. */
const MAPPED_PREFIX_BITS = 96;

function parseAddress(text: string): Address | undefined {
  const address = normalizeAddress(text);
  return isIP(address) === 0 ? undefined : ipaddr.parse(address);
}

/** `ipaddr.isValid` accepts 127.1 and octal parts, which other programs read differently. */
const isUnambiguous = (text: string): boolean =>
  ADDRESS_OR_RANGE.test(text) &&
  (text.includes(':') || FOUR_PARTS.test(text)) &&
  !OCTAL_PART.test(text);

function parseRange(text: string): [Address, number] | undefined {
  if (!isUnambiguous(text)) return undefined;
  const [address = '', bits] = text.split('/');
  if (!ipaddr.isValid(address)) return undefined;
  const parsed = ipaddr.parse(address);
  const width = parsed.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? width : Number(bits);
  if (length > width) return undefined;
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress())
    return length < MAPPED_PREFIX_BITS
      ? undefined
      : [parsed.toIPv4Address(), length - MAPPED_PREFIX_BITS];
  return [parsed, length];
}

/** The normal form of an address or range; undefined for any other text. */
export function normalizeRange(text: string): string | undefined {
  const range = parseRange(text);
  if (!range) return undefined;
  const [address, length] = range;
  const cidr = `${address.toString()}/${length}`;
  const network =
    address instanceof ipaddr.IPv4
      ? ipaddr.IPv4.networkAddressFromCIDR(cidr)
      : ipaddr.IPv6.networkAddressFromCIDR(cidr);
  return `${network.toString()}/${length}`;
}

/** Whether an address lies in a range. An empty list allows every address. */
export function isAddressAllowed(ranges: readonly string[], text: string): boolean {
  if (ranges.length === 0) return true;
  const address = parseAddress(text);
  if (!address) return false;
  return ranges.some((range) => {
    const [network, length] = ipaddr.parseCIDR(range);
    return network.kind() === address.kind() && address.match(network, length);
  });
}
