/** Whether agent and runtime reach a registry, trust it and are let in. */

import { randomBytes } from 'node:crypto';
import type { Credential } from '../core/credentials.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { parseReference, repositoryName } from '../core/image-reference.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface PullCheckParts {
  /** Host, project and repository: `harbor.example.com/ml/base`. */
  readonly repository: string;
  readonly credentials: readonly Credential[];
  readonly source: Pick<ImageSource, 'headManifest'>;
  /** Undefined: no runtime was found. */
  readonly runtime: Pick<Runtime, 'pull'> | undefined;
}

/**
 * Asks for a tag that cannot be there: to be told so takes the connection, its TLS, the token and the right to pull, and leaves nothing on the node.
 */
export async function checkPull(
  { repository, credentials, source, runtime }: PullCheckParts,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const reference = `${repository}:stevedore-doctor-${randomBytes(6).toString('hex')}`;
  const parsed = parseReference(reference);
  const subject = repositoryName(parsed);
  const advice = adviceOf(parsed.registry);
  await probe(() => source.headManifest(parsed, credentials, signal)).then((failure) => {
    signal.throwIfAborted();
    tellProbe('pull_by_agent', 'the agent', failure, subject, advice.agent, tell);
  });
  if (runtime === undefined) {
    tell({ check: 'pull_by_runtime', level: 'not_checked', subject, message: 'no runtime was found' });
    return;
  }
  const [credential] = credentials;
  const request = { reference, credential, expected: undefined, onProgress: () => undefined };
  const failure = await probe(() => runtime.pull(request, signal));
  signal.throwIfAborted();
  tellProbe('pull_by_runtime', 'the runtime', failure, subject, advice.runtime, tell);
}

/** A real pull of an image that is small; it stays as the runtime leaves it. */
export async function checkRealPull(
  image: string,
  credential: Credential | undefined,
  runtime: Pick<Runtime, 'pull'>,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  await runtime.pull({ reference: image, credential, expected: undefined, onProgress: () => undefined }, signal);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  tell({ check: 'pull_by_runtime', level: 'ok', subject: image, message: `pulled in ${seconds} s` });
}

async function probe(ask: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await ask();
    return undefined;
  } catch (error) {
    return Failure.from(error);
  }
}

function tellProbe(
  check: 'pull_by_agent' | 'pull_by_runtime',
  who: string,
  failure: Failure | undefined,
  subject: string,
  advice: (code: Failure['code']) => string | undefined,
  tell: Tell,
): void {
  const isAnswer = failure === undefined || (failure.code === 'not_found' && failure.detail !== 'project_missing');
  if (isAnswer) {
    tell({ check, level: 'ok', subject, message: `${who} reaches it, trusts it and is let in` });
    return;
  }
  const what = advice(failure.code);
  const finding = { check, level: 'failure', subject, message: `${who}: ${failure.message}` } as const;
  tell(what === undefined ? finding : { ...finding, advice: what });
}

function adviceOf(host: string) {
  const common: Partial<Record<Failure['code'], string>> = {
    network: 'check names, routes and proxies from this node',
    timeout: 'check names, routes and proxies from this node',
    auth: 'look at the credential checks above; a token service on another host needs tokenHosts',
  };
  return {
    agent: (code: Failure['code']) =>
      code === 'tls' ? 'set caFile of the registry to the authority that signed its certificate' : common[code],
    runtime: (code: Failure['code']) =>
      code === 'tls'
        ? `give the runtime the authority: /etc/containerd/certs.d/${host}/hosts.toml with ca = "…" (and config_path set), or /etc/docker/certs.d/${host}/ca.crt`
        : common[code],
  };
}
