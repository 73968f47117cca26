/** The last net under foreign text: credentials of a URL never pass, and words that hold none do. */
import { expect, test } from 'vitest';
import { scrub } from '../../src/report/envelope.js';

test.each([
  ['postgres://u:secret@h/d refused', 'postgres://***@h/d refused'],
  ['mysql://u:p@ss w@rd@h:1/d', 'mysql://***@h:1/d'],
  ['mysql://u:***@x@h:1/d', 'mysql://***@h:1/d'],
  ['mysql://u:***@h:1/d and postgres://u:secret@h/d', 'mysql://u:***@h:1/d and postgres://***@h/d'],
])('no credentials pass: %s', (text, scrubbed) => {
  expect(scrub(text)).toBe(scrubbed);
});

test('an address without a password keeps the words behind it', () => {
  const text = "mysql://dbps:***@db:3306/orders: Access denied for user 'dbps'@'%' to database 'orders'";
  expect(scrub(text)).toBe(text);
});
