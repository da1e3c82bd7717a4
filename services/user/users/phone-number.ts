import { createRequire } from 'node:module';
import type * as PhoneNumbers from 'libphonenumber-js/max';

const require = createRequire(import.meta.url);
// Loaded by the first number: the plans of all countries take 5 MB of a replica's memory.
const loadPhoneNumbers = () => require('libphonenumber-js/max') as typeof PhoneNumbers;

export interface PhoneNumber {
  /** E.164: a plus and digits. */
  phone: string;
  /** Whether the numbering plan has it. One that cannot exist is stored, but gets no message. */
  phone_valid: boolean;
}

/** ITU-T E.164 §6.2.1 has 15 digits at most. */
const E164 = /^\+[1-9][0-9]{1,14}$/;

/** Parses an international number as it was typed; undefined for what is none. */
export function parsePhoneNumber(typed: string): PhoneNumber | undefined {
  const parsed = loadPhoneNumbers().parsePhoneNumberFromString(typed);
  // An extension is no part of E.164, so it would be lost.
  if (parsed?.ext !== undefined) return undefined;
  if (parsed) return { phone: parsed.number, phone_valid: parsed.isValid() };
  const phone = typed.trim().replaceAll(/[\s().-]/g, '');
  return E164.test(phone) ? { phone, phone_valid: false } : undefined;
}
