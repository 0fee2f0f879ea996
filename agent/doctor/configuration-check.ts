/** What is wrong with the configuration, and what of it is probably not meant. */

import type { Configuration, Mistake } from '../core/configuration.ts';
import type { Tell } from '../core/doctor-report.ts';
import { formatMistakes } from '../core/mistake.ts';

const check = 'configuration' as const;

export function tellConfiguration(configuration: Configuration, subject: string, tell: Tell): void {
  const { registries, imageSets } = configuration;
  const images = new Set(imageSets.flatMap((set) => set.images)).size;
  const patterns = imageSets.reduce((sum, set) => sum + set.patterns.length, 0);
  const harbors = registries.filter(({ harbor }) => harbor).length;
  const counts = [
    count(imageSets.length, 'image set'),
    count(images, 'image'),
    ...(patterns === 0 ? [] : [count(patterns, 'repository pattern')]),
    ...(harbors === 0 ? [] : [count(harbors, 'Harbor')]),
  ];
  tell({ check, level: 'ok', subject, message: counts.join(', ') });
}

export function tellMistakes(
  mistakes: readonly Mistake[],
  source: string,
  level: 'warning' | 'failure',
  tell: Tell,
): void {
  for (const mistake of mistakes) {
    const text = formatMistakes([mistake], source).slice(source.length);
    const advice = 'mend it, and try it with stevedore check';
    const finding = {
      check,
      level,
      subject: source,
      message: text.replace(/^:(\d+): /, 'line $1: ').replace(/^: /, ''),
    } as const;
    tell(level === 'failure' ? { ...finding, advice } : finding);
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
