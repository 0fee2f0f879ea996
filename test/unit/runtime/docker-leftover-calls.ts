import type { Leftover, LeftoverKind } from '../../../agent/runtime/runtime.ts';
import { type Answer, startDockerDaemon } from './docker-daemon.ts';

const never = new AbortController().signal;

export const kubelets = { 'io.kubernetes.pod.uid': '1' };

export function leftover(kind: LeftoverKind, id: string, unusedSince?: number): Leftover {
  return { kind, id, name: id, bytes: undefined, unusedSince };
}

export async function list(kind: LeftoverKind, answers: Record<string, Answer>) {
  await using docker = await startDockerDaemon(answers);
  const found = await docker.runtime.listLeftovers(new Set([kind]), never);
  return { found, ids: found.map(({ id }) => id), requests: docker.requests };
}

export async function remove(one: Leftover, answers: Record<string, Answer>) {
  await using docker = await startDockerDaemon(answers);
  const answer = await docker.runtime.removeLeftover(one, never);
  return { answer, changes: docker.requests.filter((request) => !request.startsWith('GET')) };
}
