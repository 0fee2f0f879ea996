/** The syntax of names and of the keys of labels and annotations. */

import { type FieldMistake, invalidValue } from './status.ts';

export const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
export const namePart = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
export const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const nameRule =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
export function keyMistakes(field: string, key = ''): FieldMistake[] {
  const slash = key.indexOf('/');
  const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
  if (prefix === '') return [invalidValue(field, key, 'prefix part must be non-empty')];
  if (prefix !== undefined && (prefix.length > 253 || !subdomain.test(prefix))) {
    return [invalidValue(field, key, `prefix part ${subdomainRule}`)];
  }
  if (name === '') return [invalidValue(field, key, 'name part must be non-empty')];
  if (name.length > 63) return [invalidValue(field, key, 'name part must be no more than 63 bytes')];
  return namePart.test(name) ? [] : [invalidValue(field, key, `name part ${nameRule}`)];
}
