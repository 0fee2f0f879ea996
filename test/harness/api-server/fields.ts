/** How a body becomes an object: unknown fields fall away, times are rewritten as the API server writes them, a wrong type is an error. */

export type Field =
  | 'string'
  /** A string that falls away when it is empty. */
  | 'text'
  | 'int'
  | 'bool'
  | 'any'
  | 'time'
  /** A time that is `null` where it is not set. */
  | 'nullTime'
  | 'microTime'
  | { readonly map: Field }
  | { readonly list: Field }
  | { readonly fields: Readonly<Record<string, Field>> };

export class DecodeError extends Error {}

const microTimePattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})(Z|[+-]\d\d:\d\d)$/;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const mostInt = 2 ** 31 - 1;
const goTypes = { string: 'string', text: 'string', int: 'int32', bool: 'bool' } as const;

/** @throws DecodeError in the words of Go's decoder */
export function decodeFields(
  value: unknown,
  fields: Readonly<Record<string, Field>>,
  path = '',
): Record<string, unknown> {
  if (!isRecord(value)) throw mismatch(value, path, 'object');
  const decoded: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const found = value[key];
    if (found === undefined || found === null) {
      if (field === 'nullTime') decoded[key] = null;
      continue;
    }
    const one = decodeField(found, field, path === '' ? key : `${path}.${key}`);
    if (one !== undefined) decoded[key] = one;
  }
  return decoded;
}

function decodeField(value: unknown, field: Field, path: string): unknown {
  if (typeof field === 'string') return decodeScalar(value, field, path);
  if ('fields' in field) return decodeFields(value, field.fields, path);
  if ('list' in field) {
    if (!Array.isArray(value)) throw mismatch(value, path, 'slice');
    return value.length === 0 ? undefined : value.map((item) => decodeField(item, field.list, path));
  }
  if (!isRecord(value)) throw mismatch(value, path, 'map');
  const entries = Object.entries(value).map(([key, item]) => {
    // A null in a map of strings is the zero value for Go.
    return [key, item === null ? '' : decodeField(item, field.map === 'text' ? 'string' : field.map, path)];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function decodeScalar(value: unknown, field: Extract<Field, string>, path: string): unknown {
  switch (field) {
    case 'any':
      return value;
    case 'string':
    case 'text':
      if (typeof value !== 'string') throw mismatch(value, path, goTypes[field]);
      return field === 'text' && value === '' ? undefined : value;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, path, goTypes.bool);
      return value;
    case 'int':
      if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > mostInt)
        throw mismatch(value, path, goTypes.int);
      return value;
    case 'time':
    case 'nullTime':
      if (typeof value !== 'string' || !timePattern.test(value)) throw badTime(value, '2006-01-02T15:04:05Z07:00');
      return `${new Date(value).toISOString().slice(0, 19)}Z`;
    case 'microTime':
      return toMicroTime(value);
  }
}

/** Six decimals exactly, and in UTC afterwards: what Go's MicroTime reads and writes. */
function toMicroTime(value: unknown): string {
  const parts = typeof value === 'string' ? microTimePattern.exec(value) : null;
  if (parts === null) throw badTime(value, '2006-01-02T15:04:05.000000Z07:00');
  const [, seconds = '', micros = '', zone = ''] = parts;
  return `${new Date(`${seconds}${zone}`).toISOString().slice(0, 19)}.${micros}Z`;
}

function badTime(value: unknown, layout: string): DecodeError {
  return new DecodeError(`parsing time ${JSON.stringify(String(value))} as "${layout}": cannot parse it`);
}

function mismatch(value: unknown, path: string, goType: string): DecodeError {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  const shown = typeof value === 'number' ? `number ${value}` : found;
  return new DecodeError(`json: cannot unmarshal ${shown} into Go struct field .${path} of type ${goType}`);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
