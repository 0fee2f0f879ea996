/** What a list of many pages tells while it is read. */

import { expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { type HarborStage, startHarborApi } from './harbor-setup.ts';
import { never } from './setup.ts';

const at = '2026-11-21T10:58:00.505Z';
const all = Array.from({ length: 250 }, (_, index) => ({
  digest: `sha256:${index.toString(16).padStart(64, '0')}`,
  type: 'IMAGE',
  repository_name: 'ml/llm',
  push_time: at,
  tags: [{ name: `t${index}`, push_time: at }],
}));

async function start(): Promise<HarborStage> {
  const stage = await startHarborApi();
  stage.server.on('GET', '/api/v2.0/projects/ml/repositories/llm/artifacts', ({ path }) => {
    const page = Number(new URL(path, 'http://x').searchParams.get('page'));
    return { status: 200, headers: { 'x-total-count': '250' }, body: all.slice((page - 1) * 100, page * 100) };
  });
  return stage;
}

test('each page is told to who waits before the next is asked for', async () => {
  const { server, harbor, login } = await start();
  const told: [number, number][] = [];
  const onPage = (soFar: number) => void told.push([soFar, server.requests.length]);
  await harbor.listArtifacts(login, 'ml', 'llm', { onPage }, never);
  expect(told).toEqual([
    [100, 1],
    [200, 2],
    [250, 3],
  ]);
});

test('the list ends where who waits has too many', async () => {
  const { server, harbor, login } = await start();
  const tooMany = new Failure('other', 'too many');
  const onPage = (soFar: number) => {
    if (soFar > 100) throw tooMany;
  };
  await expect(harbor.listArtifacts(login, 'ml', 'llm', { onPage }, never)).rejects.toBe(tooMany);
  expect(server.requests).toHaveLength(2);
});
