/** Field and label selectors of a list or watch. */

import type { ApiObject, Resource } from './resources.ts';
import { badRequest } from './status.ts';

export interface Selection {
  readonly namespace: string | undefined;
  /** `metadata.name=…`: the store finds these by index. */
  readonly name: string | undefined;
  readonly matches: (object: ApiObject) => boolean;
}

type Test = (object: ApiObject) => boolean;

/** @throws ApiError 400 for a field that cannot be selected by, or a text that is no selector */
export function parseSelection(resource: Resource, namespace: string | undefined, query: URLSearchParams): Selection {
  const fields = parseFieldSelector(resource, query.get('fieldSelector') ?? '');
  const tests = [...fields.tests, ...parseLabelSelector(query.get('labelSelector') ?? '')];
  return { namespace, name: fields.name, matches: (object) => tests.every((test) => test(object)) };
}

function parseFieldSelector(resource: Resource, text: string): { name: string | undefined; tests: Test[] } {
  let name: string | undefined;
  const tests: Test[] = [];
  for (const term of text.split(',').filter((one) => one !== '')) {
    const [, field = '', operator = '', value = ''] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
    if (operator === '') throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    const read = toFieldReader(resource, field);
    if (read === undefined) {
      if (resource.plural === 'nodes') throw badRequest(`field label not supported: ${field}`);
      throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
    }
    if (field === 'metadata.name' && operator !== '!=') name = value;
    tests.push((object) => (read(object) === value) === (operator !== '!='));
  }
  return { name, tests };
}

function toFieldReader(resource: Resource, field: string): ((object: ApiObject) => string) | undefined {
  if (field === 'metadata.name') return ({ metadata }) => metadata.name;
  if (field === 'metadata.namespace' && resource.namespaced) return ({ metadata }) => metadata.namespace ?? '';
  if (field === 'spec.unschedulable' && resource.plural === 'nodes') {
    return ({ spec }) => String(spec?.unschedulable ?? false);
  }
  return undefined;
}

const term = /^\s*(?:(!)\s*)?([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*$/;

function parseLabelSelector(text: string): Test[] {
  // Commas inside parentheses belong to one requirement.
  return (text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []).map((part) => {
    const found = term.exec(part);
    if (found === null) throw badRequest(`unable to parse requirement: found '${part}', expected: identifier`);
    const [, not, key = '', operator, value = '', setOperator, values = ''] = found;
    const labelOf = ({ metadata }: ApiObject): string | undefined => metadata.labels?.[key];
    if (not !== undefined) return (object) => labelOf(object) === undefined;
    if (operator === '!=') return (object) => labelOf(object) !== value;
    if (operator !== undefined) return (object) => labelOf(object) === value;
    if (setOperator === undefined) return (object) => labelOf(object) !== undefined;
    const wanted = new Set(values.split(',').map((one) => one.trim()));
    return (object) => wanted.has(labelOf(object) ?? '\0') === (setOperator === 'in');
  });
}
