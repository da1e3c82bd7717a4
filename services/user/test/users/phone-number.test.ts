import { test } from 'tap';
import { parsePhoneNumber } from '../../users/phone-number.ts';

test('a number is stored in E.164 form, whichever way it is typed', (t) => {
  for (const typed of ['+49 30 901820', '+49 (0)30/901820', '+4930901820', ' +49-30-901820 '])
    t.strictSame(parsePhoneNumber(typed), { phone: '+4930901820', phone_valid: true }, typed);
  t.end();
});

test("a number that cannot exist is marked, the document's own too", (t) => {
  for (const typed of ['+1234567890', '+999 1234567', '+12'])
    t.match(parsePhoneNumber(typed), { phone: /^\+[0-9]+$/, phone_valid: false }, typed);
  t.end();
});

test('what is no international number is refused', (t) => {
  for (const typed of ['', '030 901820', '+', 'call me', '+49 30 901820 ext. 5', '+0123456'])
    t.equal(parsePhoneNumber(typed), undefined, typed);
  t.end();
});
