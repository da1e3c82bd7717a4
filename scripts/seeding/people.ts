import { createCompany, type Company } from './companies.ts';
import { createDocument, type Document } from './documents.ts';
import { createRandom, type Random } from './random.ts';

const FIRST_NAMES = (
  'Ada Aisha Amara Ananya Anders Aoife Bartosz Beatriz Björn Camila Chidi Chloé Daniel Dmitri ' +
  'Elif Emma Eoin Esther Fatima Farah Femi Gabriel Giulia Hana Haruto Hugo Ines Ingrid Ivan ' +
  'Jae-won Jakub Javier Joana João Jonas Kavya Kenji Khadija Lars Leila Li Liam Lucía Luka Mads ' +
  'Mai Malik Marta Mateo Mei Mehmet Mira Nadia Ngozi Nikhil Nora Oksana Olivia Omar Oskar Priya ' +
  'Rafael Rania Ravi Rosa Samir Sanna Sofia Søren Tariq Thandi Tomás Valentina Viktor Wanjiru ' +
  'Yara Yuki Zeynep'
).split(' ');
const LAST_NAMES = (
  'Abebe Achterberg Adeyemi Ahmed Almeida Andersson Banerjee Bauer Bianchi Brennan Castillo ' +
  'Chen Costa Dahl Demir Dubois Eriksen Farouk Fernández Fischer García Haddad Hansen Hughes ' +
  'Ivanova Jansen Johansson Kamau Kaya Khan Kim Kowalski Kumar Larsen Lefèvre Lindqvist Lopes ' +
  'MacLeod Mahlangu Martins Mbeki Mehta Moreau Müller Nakamura Nguyen Nowak Nwosu Okafor Olsen ' +
  'Ortega Papadopoulos Park Patel Pereira Petrov Quinn Rahman Reyes Rossi Ruiz Sato Schneider ' +
  'Sharma Silva Singh Sokolov Svensson Tanaka Torres Van-Dijk Vargas Virtanen Wójcik Yamamoto ' +
  'Yilmaz Zhang'
).split(' ');
const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_6) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148',
  'Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile',
];
const VENDOR_SHARE = 0.2;
const MAX_DOCUMENTS = 6;

/** Somebody who does not exist, with an address under a name that is nobody's (RFC 2606). */
export interface Person {
  email: string;
  first_name: string;
  last_name: string;
  type: 'customer' | 'vendor';
  /** Of the loopback, where all of 127.0.0.0/8 can be connected from. */
  ip: string;
  userAgent: string;
  /** A vendor's. */
  company: Company | undefined;
  documents: readonly Document[];
  /** For what this person does. */
  random: Random;
}

/** The domain of a seed's people, by which they are found again. */
export const domainOf = (seed: number): string => `seed-${seed}.example`;

const inAscii = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll('ø', 'o')
    .replaceAll('ł', 'l')
    .normalize('NFD')
    .replaceAll(/[^a-z-]/g, '');

/** Most people keep a few documents, some none. */
function createDocuments(seed: string, random: Random): Document[] {
  const count = Math.min(random.integer(0, MAX_DOCUMENTS), random.integer(0, MAX_DOCUMENTS));
  return Array.from({ length: count }, (_, index) =>
    createDocument(createRandom(`${seed}/document/${index}`), index + 1),
  );
}

/** The nth person of a seed, the same in every run. */
export function createPerson(seed: number, n: number): Person {
  const random = createRandom(`${seed}/person/${n}`);
  const names = { first_name: random.pick(FIRST_NAMES), last_name: random.pick(LAST_NAMES) };
  const isVendor = random.chance(VENDOR_SHARE);
  const domain = domainOf(seed);
  return {
    email: `${inAscii(names.first_name)}.${inAscii(names.last_name)}.${n}@${domain}`,
    ...names,
    type: isVendor ? 'vendor' : 'customer',
    ip: `127.${random.integer(1, 254)}.${random.integer(0, 255)}.${random.integer(1, 254)}`,
    userAgent: random.pick(USER_AGENTS),
    company: isVendor ? createCompany({ seed, n, domain }, names) : undefined,
    documents: createDocuments(`${seed}/person/${n}`, random),
    random,
  };
}
