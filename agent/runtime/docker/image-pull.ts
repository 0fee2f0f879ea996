import { Failure } from '../../core/failure.ts';
import { parseReference, repositoryName } from '../../core/image-reference.ts';
import type { PullRequest, PullResult } from '../runtime.ts';
import { type DockerCall, type DockerClient, refusalStatus } from './docker-client.ts';
import { inspectImage } from './image-inspection.ts';
import { readJsonLines } from './json-lines.ts';
import { toPullFailure } from './pull-failure.ts';
import { createLayerProgress } from './pull-progress.ts';
import { createThrottle } from './throttle.ts';

const progressIntervalMs = 100;

/** Pulls by `POST /images/create`. Closing the connection, which an abort does, stops dockerd's download at once. */
export async function pullImage(client: DockerClient, request: PullRequest, signal: AbortSignal): Promise<PullResult> {
  const progress = createLayerProgress(request.expected);
  const report = createThrottle(progressIntervalMs, () => request.onProgress(progress.now()));
  try {
    const stream = await client.open(toPullCall(request), signal);
    for await (const line of readJsonLines(stream)) {
      const error = toLineFailure(line);
      if (error !== undefined) throw error;
      progress.apply(line);
      report.request();
    }
    const image = await inspectImage(client, request.reference, signal);
    if (image === undefined) {
      throw new Failure('runtime', `docker said that it pulled ${request.reference}, but does not have it`);
    }
    progress.finish();
    report.request();
    return { imageId: image.id };
  } catch (error) {
    if (signal.aborted) {
      report.stop();
      throw signal.reason;
    }
    throw translated(error);
  } finally {
    report.flush();
  }
}

function toPullCall({ reference, credential }: PullRequest): DockerCall {
  const parsed = parseReference(reference);
  const call: DockerCall = {
    method: 'POST',
    path: '/images/create',
    query: { fromImage: repositoryName(parsed), tag: parsed.digest ?? parsed.tag ?? 'latest' },
  };
  if (credential === undefined) return call;
  const auth = { username: credential.username, password: credential.reveal(), serveraddress: credential.host };
  return { ...call, auth };
}

/** Once it has begun to answer 200, dockerd reports a failure as a line of its stream. */
function toLineFailure(line: unknown): Failure | undefined {
  const { error, errorDetail } = line as {
    readonly error?: string;
    readonly errorDetail?: { readonly code?: number; readonly message?: string };
  };
  if (error === undefined && errorDetail === undefined) return undefined;
  return toPullFailure(errorDetail?.code, errorDetail?.message ?? error ?? 'docker gave no reason');
}

function translated(error: unknown): Failure {
  const failure = error instanceof Failure ? error : brokenStream(error);
  const status = refusalStatus(failure);
  return status === undefined ? failure : toPullFailure(status, failure.message);
}

function brokenStream(cause: unknown): Failure {
  return new Failure('runtime', 'docker broke off the pull', { detail: 'unavailable', cause });
}
