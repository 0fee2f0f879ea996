import { expect, test } from 'vitest';
import type { Logger } from '../../../agent/core/logger.ts';
import type { PullPlan } from '../../../agent/core/pull-plan.ts';
import { DecisionLog } from '../../../agent/work/decision-log.ts';
import { refusal } from '../core/resolved-world.ts';

const plan: PullPlan = { at: 0, pulls: [], waiting: [], present: [], refused: [], unselected: [] };
const reference = 'harbor.example/ml/a:1';
const image = { reference, imageSets: ['s'] };

function collect() {
  const lines: string[] = [];
  const add = (fields: object, message: string) => void lines.push(`${message}: ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add, info: add, warn: add, error: add };
  return { lines, decisions: new DecisionLog(log) };
}

test('a refusal is said once, and again in other words', () => {
  const { lines, decisions } = collect();
  const refused = (message: string): PullPlan => ({ ...plan, refused: [{ ...image, ...refusal, message }] });
  for (const words of ['too severe', 'too severe', 'not signed']) decisions.write(refused(words));
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain('not signed');
});

test('so is that an image which is here is refused, in the words of its registry', () => {
  const { lines, decisions } = collect();
  const here = { ...image, imageId: 'sha256:1', sizeBytes: 1 };
  decisions.write({ ...plan, present: [here] });
  expect(lines).toEqual([]);
  decisions.write({ ...plan, present: [{ ...here, refusal }] });
  decisions.write({ ...plan, present: [{ ...here, refusal }] });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^image is here, and refused: .*its severity is Critical/);
});
