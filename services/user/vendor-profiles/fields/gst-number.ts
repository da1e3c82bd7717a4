/** State, permanent account number, registration of the holder, a letter, check digit. */
const SHAPE = /^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][A-Z0-9][0-9A-Z]$/;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** The states and territories of India, then other territory and centre. */
const isState = (code: number): boolean => (code >= 1 && code <= 38) || code === 97 || code === 99;

/** The last character of a number: weights 1 and 2 in base 36, as the tax authority computes it. */
function checkDigitOf(number: string): string {
  const sum = Array.from(number.slice(0, 14)).reduce((total, character, index) => {
    const product = DIGITS.indexOf(character) * ((index % 2) + 1);
    return total + Math.floor(product / 36) + (product % 36);
  }, 0);
  return DIGITS[(36 - (sum % 36)) % 36] ?? '';
}

/** Parses the goods and services tax number of India; undefined for what is none. */
export function parseIndianGstNumber(typed: string): string | undefined {
  const number = typed.replaceAll(/[\s-]/g, '').toUpperCase();
  if (!SHAPE.test(number) || !isState(Number(number.slice(0, 2)))) return undefined;
  return number.endsWith(checkDigitOf(number)) ? number : undefined;
}
