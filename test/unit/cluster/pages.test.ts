import { expect, test } from 'vitest';
import { listPages } from '../../../agent/cluster/pages.ts';
import type { Question, Requests } from '../../../agent/cluster/requests.ts';

const question: Question = { asking: { resource: 'nodes', verb: 'list' }, path: '/api/v1/nodes' };
const never = new AbortController().signal;

test('pages that do not end are not followed for ever', async () => {
  let asked = 0;
  const ask = (): Promise<unknown> => {
    asked += 1;
    return Promise.resolve({ metadata: { resourceVersion: '1', continue: 'more' }, items: [{}] });
  };
  const listing = listPages({ ask } as unknown as Requests, question, 1, () => undefined, never);
  await expect(listing).rejects.toMatchObject({ code: 'other' });
  expect(asked).toBe(1_000);
});
