/** Columns that tell about a person, by name, type and comment: what must not be copied about, and who sees it today. */
import type { Column, Relation } from '../model/database-schema.js';
import type { PersonalColumn } from '../model/analysis.js';
import { singular, splitName } from './names.js';

const CATEGORIES: readonly (readonly [category: string, pattern: RegExp])[] = [
  [
    'secret',
    /(?:^|_)(?:password|passwd|pwd|password_hash|pin|secret|api_key|access_token|refresh_token|otp|private_key|salt|cvv|cvc)(?:_|$)/,
  ],
  ['contact', /(?:^|_)(?:email|e_mail|phone|mobile|telephone|fax|msisdn|skype|whatsapp)(?:_|$)/],
  [
    'identity',
    /(?:^|_)(?:first|last|middle|family|given|full|maiden|sur)_?name(?:_|$)|(?:^|_)(?:surname|forename|birth|birthday|birthdate|dob|gender|sex|nationality|ssn|passport|national_id|tax_id|vat_id|driver_?license|race|ethnicity|religion|marital)(?:_|$)/,
  ],
  [
    'place',
    /(?:^|_)(?:street|address_?\d?|address_?line_?\d?|postcode|postal_?code|zip|zip_?code|latitude|longitude|geolocation)(?:_|$)/,
  ],
  [
    'payment',
    /(?:^|_)(?:iban|bic|swift|card_?number|credit_?card|account_?number|pan|sort_code|routing_number)(?:_|$)/,
  ],
  ['trace', /(?:^|_)(?:ip|ip_?address|user_?agent|device_?id|fingerprint|mac_?address)(?:_|$)/],
  ['health', /(?:^|_)(?:diagnosis|allerg(?:y|ies)|medication|blood_type|disability|symptom)(?:_|$)/],
];
const COMMENT =
  /\b(?:personal data|personally identif|PII|GDPR|DSGVO|sensitive|confidential|private data)\b/i;
/** A name in such a relation is a person's. */
const PERSON =
  /^(?:user|customer|person|people|contact|employee|patient|member|student|teacher|guest|client|subscriber|applicant|candidate|passenger|driver|author|staff|owner|recipient|contributor|actor|party|lead)$/;

export function isAboutPeople(relation: Pick<Relation, 'name'>): boolean {
  const words = splitName(relation.name).map(singular);
  return PERSON.test(words.at(-1) ?? '') || (words.length === 1 && PERSON.test(words[0] as string));
}

export function personalColumns(relation: Relation): readonly PersonalColumn[] {
  return relation.columns.flatMap((column) => {
    const found = classify(relation, column);
    return found === null ? [] : [{ relation: relation.id, column: column.name, ...found }];
  });
}

/** What a column's name says by itself; the same names come again and again. */
const byName = new Map<string, string | null>();
const MOST_REMEMBERED = 100_000;

function categoryOf(columnName: string): string | null {
  const known = byName.get(columnName);
  if (known !== undefined) return known;
  if (byName.size >= MOST_REMEMBERED) byName.clear();
  const name = splitName(columnName).join('_');
  // An id, a flag or a time says nothing about a person by itself.
  const category = /(?:^|_)(?:id|type|count|verified|confirmed|enabled|at)$/.test(name)
    ? null
    : (CATEGORIES.find(([, pattern]) => pattern.test(name))?.[0] ?? null);
  byName.set(columnName, category);
  return category;
}

const A_NAME = /^(?:name|display_?name|nickname|username|login)$/i;

function classify(relation: Relation, column: Column): { category: string; because: string } | null {
  const category = column.baseType === 'bool' ? null : categoryOf(column.name);
  if (category !== null) return { category, because: `its name, ${column.name}` };
  if (A_NAME.test(column.name) && isAboutPeople(relation))
    return { category: 'identity', because: `a name in ${relation.name}` };
  if (column.baseType === 'inet') return { category: 'trace', because: 'its type, inet' };
  if (column.comment !== undefined && COMMENT.test(column.comment))
    return { category: 'marked', because: `its comment, "${column.comment.slice(0, 60)}"` };
  return null;
}
