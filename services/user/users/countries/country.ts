import { CODES, ISO_NAMES, OTHER_NAMES } from './iso-3166.ts';

const CLDR_STYLES = ['long', 'short'] as const;

/** Words in any order: ISO has «Korea, Republic of», others write «Republic of Korea». */
function keyOf(name: string): string {
  const words = name
    .normalize('NFKD')
    .replaceAll(/[\p{M}'’.]/gu, '')
    .toLowerCase()
    .replaceAll('&', ' and ')
    .split(/[^\p{L}\p{N}]+/u)
    .map((word) => (word === 'st' ? 'saint' : word))
    .filter((word) => word !== '' && word !== 'the');
  return [...new Set(words)].toSorted().join(' ');
}

function readCountries(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>([...ISO_NAMES, ...OTHER_NAMES].map(toEntry));
  const pairs = CODES.split(' ').map((pair) => [pair.slice(0, 2), pair.slice(2)] as const);
  for (const style of CLDR_STYLES) {
    const names = new Intl.DisplayNames('en', { type: 'region', style, fallback: 'none' });
    for (const [code] of pairs) codes.set(keyOf(names.of(code) ?? code), code);
  }
  // Last, since a code is no part of any name.
  for (const [code, alpha3] of pairs) codes.set(keyOf(code), code).set(keyOf(alpha3), code);
  return codes;
}

const toEntry = ([code, name]: readonly [code: string, name: string]) =>
  [keyOf(name), code] as const;

let countries: ReadonlyMap<string, string> | undefined;

/**
 * The ISO 3166-1 alpha-2 code of a country by its code of two or three letters, its ISO short name
 * or its English name in CLDR. Kosovo has the code XK, as everywhere.
 */
export function findCountry(typed: string): string | undefined {
  // At first use: the names are 3 MB, which a replica that reads no country need not hold.
  countries ??= readCountries();
  return countries.get(keyOf(typed));
}

/** What is wrong with a text that names no country. */
export const NO_COUNTRY = 'must be an ISO 3166 code, an ISO name or an English name of a country';
