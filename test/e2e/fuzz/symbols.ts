import { randomUUID } from 'node:crypto';

/** What a generated request names by `$<whose>:<kind>`, since ids differ from run to run. */
export type Kind =
  | 'apiToken'
  | 'delivery'
  | 'email'
  | 'file'
  | 'key'
  | 'log'
  | 'password'
  | 'profile'
  | 'session'
  | 'token'
  | 'user'
  | 'vendor'
  | 'viewerToken'
  | 'webhook';

/** Values of symbols, by kind; absent ones are made where they are needed. */
export type Values = Readonly<Partial<Record<Kind, string>>>;

export const symbolOf = (whose: 'own' | 'foreign' | 'absent' | 'fresh', kind: Kind): string =>
  `$${whose}:${kind}`;

const SYMBOL = /\$(own|foreign|absent|fresh):([A-Za-z]+)/g;

export const namesForeign = (text: string): boolean => text.includes('$foreign:');

/** The same text about what exists nowhere. */
export const withAbsent = (text: string): string => text.replaceAll('$foreign:', '$absent:');

const anyOf = (kind: string): string => {
  const id = randomUUID();
  if (kind === 'email') return `fuzz-${id}@example.com`;
  return kind === 'token' || kind === 'password' ? `none-${id}` : id;
};

/** Puts values in the place of symbols. The absent are one value for a request, the fresh none. */
export function createResolver(own: Values, foreign: Values): (text: string) => string {
  const absent = new Map<string, string>();
  const absentOf = (kind: string): string => {
    const value = absent.get(kind) ?? anyOf(kind);
    absent.set(kind, value);
    return value;
  };
  return (text) =>
    text.replaceAll(SYMBOL, (_symbol, whose: string, kind: Kind) => {
      if (whose === 'fresh') return anyOf(kind);
      const known = { own, foreign }[whose]?.[kind];
      return known ?? absentOf(kind);
    });
}
