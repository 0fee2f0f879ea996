import { expect, test } from 'vitest';
import { isResolvedConfigMap, resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { toResolvedTexts } from '../../../agent/core/resolved-document.ts';
import { noResolutions } from '../../../agent/core/resolution.ts';

test('there is one ConfigMap for each text that is published', () => {
  expect(toResolvedTexts(noResolutions).texts).toHaveLength(resolvedConfigMaps.length);
  for (const name of resolvedConfigMaps) expect(isResolvedConfigMap(name)).toBe(true);
  for (const name of ['stevedore', 'stevedore-resolved-8', 'stevedore-resolved-', 'stevedore-resolved-00']) {
    expect(isResolvedConfigMap(name)).toBe(false);
  }
});
