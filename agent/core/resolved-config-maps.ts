/** The ConfigMaps that the coordinator publishes in: made empty by the manifests, updated by name, watched by every agent. */

export const resolvedConfigMaps = [
  'stevedore-resolved-0',
  'stevedore-resolved-1',
  'stevedore-resolved-2',
  'stevedore-resolved-3',
  'stevedore-resolved-4',
  'stevedore-resolved-5',
  'stevedore-resolved-6',
  'stevedore-resolved-7',
] as const;

const names: ReadonlySet<string> = new Set(resolvedConfigMaps);

export function isResolvedConfigMap(name: string): boolean {
  return names.has(name);
}
