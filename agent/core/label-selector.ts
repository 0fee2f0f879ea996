/** Kubernetes label selectors, evaluated as apimachinery does. */

export type Labels = Readonly<Record<string, string>>;

export type LabelRequirement =
  | { readonly key: string; readonly operator: 'In' | 'NotIn'; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: 'Exists' | 'DoesNotExist' };

export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

/** NotIn and DoesNotExist also hold where the key is absent; a selector without requirements selects everything. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  return unmetRequirement(selector, labels) === undefined;
}

/** The first requirement that the labels do not meet, in words; undefined when all are met. */
export function unmetRequirement(selector: LabelSelector, labels: Labels): string | undefined {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    if (!Object.hasOwn(labels, key)) return `${key}=${value}: the node has no label ${key}`;
    if (labels[key] !== value) return `${key}=${value}: the node has ${key}=${labels[key]}`;
  }
  for (const requirement of selector.matchExpressions) {
    if (!meets(requirement, labels)) return `${describe(requirement)}: the node has ${shown(requirement.key, labels)}`;
  }
  return undefined;
}

function meets(requirement: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function describe(requirement: LabelRequirement): string {
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      return `${requirement.key} ${requirement.operator} (${requirement.values.join(', ')})`;
    case 'Exists':
    case 'DoesNotExist':
      return `${requirement.key} ${requirement.operator}`;
  }
}

function shown(key: string, labels: Labels): string {
  return Object.hasOwn(labels, key) ? `${key}=${labels[key]}` : `no label ${key}`;
}
