import { type DockerCall, type DockerClient, refusalStatus } from './docker-client.ts';

/** dockerd walks what a container has written to tell its size, and deletes before it answers: slow on a slow disk. */
const timeoutMs = 300_000;

export type LeftoverRemoval = 'removed' | 'absent' | 'in_use';

/** The answer; undefined when dockerd does not have such a thing (any more). */
export async function readUnlessAbsent(client: DockerClient, call: DockerCall, signal: AbortSignal): Promise<unknown> {
  try {
    return await client.call(call, timeoutMs, signal);
  } catch (error) {
    if (refusalStatus(error) === 404) return undefined;
    throw error;
  }
}

/** A DELETE without force: dockerd looks by itself once more whether it is in use. */
export async function removeUnlessRefused(
  client: DockerClient,
  call: DockerCall,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  try {
    await client.call(call, timeoutMs, signal);
    return 'removed';
  } catch (error) {
    switch (refusalStatus(error)) {
      case 404:
        return 'absent';
      // 403 for a network that has endpoints.
      case 403:
      case 409:
        return 'in_use';
      default:
        throw error;
    }
  }
}
