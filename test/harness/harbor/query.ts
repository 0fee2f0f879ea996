/** Harbor's `q`, `sort` and paging (lib/q, as of 2.15.2). */

import { type Answer, toError, toJson } from './answers.ts';
import type { Call } from './call.ts';

export type Condition =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'fuzzy'; readonly value: string }
  | { readonly kind: 'range'; readonly min: string; readonly max: string }
  | { readonly kind: 'or' | 'and'; readonly values: readonly string[] };

export type Conditions = ReadonlyMap<string, Condition>;

/** Thrown where Harbor answers 400. */
export class BadQuery extends Error {}

/** @param q decoded once, by the framework; Harbor does so again. @throws BadQuery */
export function parseQuery(q: string | null): Conditions {
  const conditions = new Map<string, Condition>();
  if (q === null || q === '') return conditions;
  for (const part of unescape(q).split(',')) {
    const at = part.indexOf('=');
    const [key, value] = [part.slice(0, Math.max(at, 0)), part.slice(at + 1)];
    if (key === '' || value === '') {
      throw new BadQuery('the query string must contain "=" and the key/value cannot be empty');
    }
    conditions.set(key, parseCondition(value));
  }
  return conditions;
}

/** Go's QueryUnescape: a plus is a space; what cannot be decoded is left alone. */
function unescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function parseCondition(value: string): Condition {
  const inner = value.slice(1, -1);
  const end = value.at(-1);
  const bad = (): never => {
    throw new BadQuery(`invalid query string value: ${value}`);
  };
  if (value.startsWith('~')) return value.length < 2 ? bad() : { kind: 'fuzzy', value: value.slice(1) };
  if (value.startsWith('[')) {
    const [min = '', max = '', ...more] = inner.split('~').map((text) => text.trim());
    if (end !== ']' || more.length > 0 || !inner.includes('~') || `${min}${max}` === '') return bad();
    return { kind: 'range', min, max };
  }
  const values = inner.split(' ').filter((text) => text !== '');
  if (value.startsWith('{')) return end === '}' ? { kind: 'or', values } : bad();
  if (value.startsWith('(')) return end === ')' ? { kind: 'and', values } : bad();
  return { kind: 'exact', value: value.replace(/^\\/, '') };
}

/** Texts compare as texts, numbers as numbers, times as times. */
export function matches(condition: Condition | undefined, value: string | number | Date | undefined): boolean {
  if (condition === undefined) return true;
  if (value === undefined) return false;
  const text = value instanceof Date ? value.toISOString() : String(value);
  switch (condition.kind) {
    case 'exact':
      return text === condition.value;
    case 'fuzzy':
      return text.includes(condition.value);
    case 'or':
      return condition.values.includes(text);
    case 'and':
      return condition.values.every((wanted) => wanted === text);
    case 'range': {
      const at = toNumber(text);
      const { min, max } = condition;
      return (min === '' || at >= toNumber(min)) && (max === '' || at <= toNumber(max));
    }
  }
}

function toNumber(text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  return Date.parse(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d$/.test(text) ? `${text.replace(' ', 'T')}Z` : text);
}

/**
 * @param otherwise where `sort` names nothing that may be sorted by
 * @param fields what may be sorted by; others are ignored
 */
export function sortBy<Item>(
  items: readonly Item[],
  sort: string | null,
  otherwise: string,
  fields: Readonly<Record<string, (item: Item) => string | number>>,
): readonly Item[] {
  const toKeys = (wanted: string) =>
    wanted.split(',').flatMap((part) => {
      const field = fields[part.replace(/^-/, '')];
      return field === undefined ? [] : [{ field, sign: part.startsWith('-') ? -1 : 1 }];
    });
  const asked = toKeys(sort ?? '');
  const keys = asked.length > 0 ? asked : toKeys(otherwise);
  return items.toSorted((a, b) => {
    for (const { field, sign } of keys) {
      const [left, right] = [field(a), field(b)];
      if (left !== right) return left < right ? -sign : sign;
    }
    return 0;
  });
}

export interface Page {
  readonly number: number;
  readonly size: number;
}

const mostPerPage = 100;

/** @returns an answer where Harbor refuses */
export function parsePage(query: URLSearchParams): Page | Answer {
  const [page, pageSize] = [query.get('page') ?? '1', query.get('page_size') ?? '10'];
  for (const [key, text] of Object.entries({ page, page_size: pageSize })) {
    if (!/^-?\d+$/.test(text)) return unprocessable(`${key} in query must be of type int64: "${text}"`);
  }
  const size = Number(pageSize);
  if (size > mostPerPage) return unprocessable('page_size in query should be less than or equal to 100');
  return { number: Math.max(1, Number(page)), size: Math.max(0, size) };
}

export function unprocessable(message: string): Answer {
  return toError(422, 'UNPROCESSABLE_ENTITY', `validation failure list:\n${message}`);
}

/** One page with X-Total-Count and Harbor's Link, whose query is not escaped. */
export function toPage<Item>({ path, query }: Call, items: readonly Item[], toBody: (item: Item) => unknown): Answer {
  const page = parsePage(query);
  if ('status' in page) return page;
  const { number, size } = page;
  const total = items.length;
  const shown = size === 0 ? items : items.slice((number - 1) * size, number * size);
  const links: string[] = [];
  const link = (to: number, rel: string): void => {
    const wanted = new URLSearchParams(query);
    wanted.set('page', String(to));
    wanted.set('page_size', String(size));
    wanted.sort();
    const text = [...wanted].map(([key, value]) => `${key}=${value}`).join('&');
    links.push(`<${path}?${text}>; rel="${rel}"`);
  };
  if (size > 0 && number > 1 && (number - 1) * size < total) link(number - 1, 'prev');
  if (size > 0 && number * size < total) link(number + 1, 'next');
  return toJson(shown.map(toBody), {
    ...(links.length === 0 ? {} : { Link: links.join(' , ') }),
    'X-Total-Count': String(total),
  });
}
