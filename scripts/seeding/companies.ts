import { parseIndianGstNumber } from '../../services/user/vendor-profiles/fields/gst-number.ts';
import { createRandom, type Random } from './random.ts';

/** A vendor's profile, as `POST /api/vendor-profiles` takes it. */
export interface Company {
  business_type: string;
  business_name: string;
  company_name: string;
  contact_person: string;
  designation: string;
  country: string;
  city: string;
  website: string;
  address: string;
  company_details: string;
  working_days: string | string[];
  employee_count: number;
  payment_mode: string[];
  establishment: number;
  gst_number?: string;
  whatsapp_number?: string;
}

interface Trade {
  type: string;
  noun: string;
  details: string;
}

const TRADES: readonly Trade[] = [
  { type: 'Technology', noun: 'Systems', details: 'Networks and software for small offices.' },
  {
    type: 'Technology',
    noun: 'Software',
    details: 'Bookkeeping and stock control by subscription.',
  },
  { type: 'Textiles', noun: 'Textiles', details: 'Woven cotton and linen, by the metre or cut.' },
  { type: 'Food and beverages', noun: 'Foods', details: 'Spices, tea and dried fruit, packed.' },
  { type: 'Furniture', noun: 'Furniture', details: 'Desks, shelves and chairs of solid wood.' },
  { type: 'Logistics', noun: 'Freight', details: 'Road freight and customs papers.' },
  { type: 'Printing', noun: 'Print', details: 'Catalogues, forms and packaging in short runs.' },
  { type: 'Construction', noun: 'Builders', details: 'Conversions and repairs of offices.' },
  { type: 'Catering', noun: 'Catering', details: 'Lunches and receptions for up to 300 guests.' },
  { type: 'Consulting', noun: 'Partners', details: 'Tax, payroll and grants.' },
];

interface Place {
  /** As people write it. */
  names: readonly string[];
  cities: readonly string[];
  street: string;
  legalForm: string;
  payment: readonly string[];
  /** Of those reserved for films and examples, where libphonenumber takes them for real. */
  phone?: (random: Random) => string;
}

const digits = (random: Random, count: number): string =>
  Array.from({ length: count }, () => random.integer(0, 9)).join('');

const INDIA: Place = {
  names: ['India', 'IN', 'IND'],
  cities: ['Mumbai', 'Pune', 'Bengaluru', 'Chennai', 'Hyderabad', 'Delhi', 'Kolkata'],
  street: 'Station Road',
  legalForm: 'Pvt Ltd',
  payment: ['UPI', 'Bank transfer', 'Cheque', 'Cash'],
};
/** The codes that begin a GST number, in the order of the cities. */
const STATES = ['27', '27', '29', '33', '36', '07', '19'];

const PLACES: readonly Place[] = [
  INDIA,
  INDIA,
  {
    names: ['United States', 'US', 'USA', 'United States of America'],
    cities: ['Austin', 'Boston', 'Chicago', 'Denver', 'New York', 'Seattle'],
    street: 'Main Street',
    legalForm: 'LLC',
    payment: ['Card', 'Bank transfer', 'Cheque'],
    phone: (random) =>
      `+1${random.pick(['512', '617', '312', '303', '206'])}55501${digits(random, 2)}`,
  },
  {
    names: ['United Kingdom', 'GB', 'UK'],
    cities: ['Bristol', 'Glasgow', 'Leeds', 'London'],
    street: 'High Street',
    legalForm: 'Ltd',
    payment: ['Card', 'Bank transfer'],
  },
  {
    names: ['Germany', 'DE'],
    cities: ['Berlin', 'Hamburg', 'Köln', 'Leipzig'],
    street: 'Bahnhofstraße',
    legalForm: 'GmbH',
    payment: ['Bank transfer', 'Card'],
    phone: (random) => `+493023125${digits(random, 3)}`,
  },
  {
    names: ['France', 'FR'],
    cities: ['Lille', 'Lyon', 'Nantes', 'Paris'],
    street: 'Rue de la Gare',
    legalForm: 'SARL',
    payment: ['Card', 'Bank transfer', 'Cheque'],
  },
  {
    names: ['Australia', 'AU'],
    cities: ['Brisbane', 'Melbourne', 'Perth', 'Sydney'],
    street: 'George Street',
    legalForm: 'Pty Ltd',
    payment: ['Card', 'Bank transfer'],
    phone: (random) => `+61491570${random.pick(['006', '156', '157', '158', '159'])}`,
  },
  {
    names: ['Kenya', 'KE'],
    cities: ['Kisumu', 'Mombasa', 'Nairobi'],
    street: 'Kenyatta Avenue',
    legalForm: 'Ltd',
    payment: ['M-Pesa', 'Cash', 'Bank transfer'],
  },
  {
    names: ['Brazil', 'BR'],
    cities: ['Curitiba', 'Recife', 'São Paulo'],
    street: 'Rua das Flores',
    legalForm: 'Ltda',
    payment: ['Pix', 'Card', 'Cash'],
  },
];

const DESIGNATIONS = ['Owner', 'Managing director', 'Head of sales', 'Partner', 'CEO'];
const WORKING_DAYS = ['Mon - Fri', 'Mon - Sat', 'Tue - Sun', 'Monday, Wednesday, Friday', 'daily'];
const CHECK_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('');

/** A well-formed number of nobody that is known: state, account, `1Z` and the check digit. */
function createGstNumber(random: Random, city: string): string {
  const letters = Array.from({ length: 3 }, () => random.pick(CHECK_DIGITS.slice(10))).join('');
  const state = STATES[INDIA.cities.indexOf(city)] ?? '27';
  const start = `${state}${letters}CZ${digits(random, 4)}${random.pick(['A', 'K', 'Q'])}1Z`;
  return CHECK_DIGITS.map((digit) => start + digit).find(parseIndianGstNumber) ?? '';
}

/** Most are small. */
const employeeCount = (random: Random): number =>
  random.integer(1, random.pick([5, 10, 10, 50, 50, 250, 2_000]));

/** What a vendor says of the company. The same in every run. */
export function createCompany(
  { seed, n, domain }: { seed: number; n: number; domain: string },
  { first_name, last_name }: { first_name: string; last_name: string },
): Company {
  const random = createRandom(`${seed}/company/${n}`);
  const trade = random.pick(TRADES);
  const place = random.pick(PLACES);
  const city = random.pick(place.cities);
  const name = `${last_name} ${trade.noun}`;
  const phone = random.chance(0.7) ? place.phone?.(random) : undefined;
  return {
    business_type: trade.type,
    business_name: name,
    company_name: `${name} ${place.legalForm}`,
    contact_person: `${first_name} ${last_name}`,
    designation: random.pick(DESIGNATIONS),
    country: random.pick(place.names),
    city,
    website: `https://${trade.noun.toLowerCase()}-${n}.${domain}/`,
    address: `${place.street} ${random.integer(1, 180)}, ${city}`,
    company_details: trade.details,
    working_days: random.pick(WORKING_DAYS),
    employee_count: employeeCount(random),
    payment_mode: place.payment.filter((_mode, index) => index === 0 || random.chance(0.6)),
    establishment: random.integer(1955, 2025),
    ...(place === INDIA && { gst_number: createGstNumber(random, city) }),
    ...(phone !== undefined && { whatsapp_number: phone }),
  };
}
