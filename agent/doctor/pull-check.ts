/** Whether agent and runtime, each by itself, reach a registry, trust it and are let in. */

import { randomBytes } from 'node:crypto';
import type { Credential } from '../core/credentials.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { formatReference, type ImageReference, repositoryName } from '../core/image-reference.ts';
import { toReadableSize } from '../core/readable-size.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { Registry } from '../registry/registry.ts';
import type { PullResult, Runtime } from '../runtime/runtime.ts';

export type PullSource = Pick<ImageSource, 'headManifest'> & Pick<Registry, 'readManifest'>;

export interface PullCheckParts {
  readonly credentials: readonly Credential[];
  readonly source: PullSource;
  /** Undefined: no runtime was found. */
  readonly runtime: Pick<Runtime, 'pull' | 'listImages'> | undefined;
  /** Of each half of a trial; default 25 s, so that both fit into a group. */
  readonly trialTimeoutMs?: number;
}

const defaultTrialTimeoutMs = 25_000;

/** How far the agent's trial came. */
export interface Trial {
  /** The registry answered, whatever it said. */
  readonly isReached: boolean;
  /** It named a token service that may be asked, or needs none. */
  readonly isRealmSane: boolean;
}

/**
 * Asks for a tag that cannot be there: to be told so takes the connection, its TLS, the token and the right to pull, and leaves nothing on the node. Of a
 * proxy cache it costs the upstream a question or two.
 */
export async function checkTrialPull(
  repository: Pick<ImageReference, 'registry' | 'repository'>,
  parts: PullCheckParts & { readonly isProxied: boolean },
  tell: Tell,
  signal: AbortSignal,
): Promise<Trial> {
  const tag = `stevedore-doctor-${randomBytes(6).toString('hex')}`;
  const reference = { ...repository, tag, digest: undefined };
  const subject = repositoryName(reference);
  const { credentials, source, runtime, isProxied, trialTimeoutMs = defaultTrialTimeoutMs } = parts;
  const timed = { timeoutMs: trialTimeoutMs, signal };
  const failure = await failureOf((both) => source.headManifest(reference, credentials, both), timed);
  tellTrial('pull_by_agent', failure, reference, isProxied, tell);
  const isReached = failure === undefined || !['network', 'timeout', 'tls'].includes(failure.code);
  const trial = { isReached, isRealmSane: isReached && failure?.detail !== 'token_realm' };
  if (runtime === undefined) {
    tell({ check: 'pull_by_runtime', level: 'not_checked', subject, message: 'no runtime was found' });
    return trial;
  }
  const refusal = await failureOf((both) => pullAs(runtime, formatReference(reference), credentials, both), timed);
  tellTrial('pull_by_runtime', refusal, reference, isProxied, tell);
  return trial;
}

/** A real pull. The image stays, as after any pull by hand. */
export async function checkRealPull(
  reference: ImageReference,
  { credentials, source, runtime }: PullCheckParts,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const subject = formatReference(reference);
  try {
    const { layers, digest, chainIds } = await source.readManifest(reference, credentials, signal);
    const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const size = `${toReadableSize(bytes)} in ${layers.length} ${layers.length === 1 ? 'layer' : 'layers'}, ${digest}`;
    if (chainIds === undefined) {
      const message = `reads its manifest (${size}), but not its config`;
      const advice = 'see whether the registry sends blobs to a storage host that this node does not reach or trust';
      tell({ check: 'pull_by_agent', level: 'warning', subject, message, advice });
    } else tell({ check: 'pull_by_agent', level: 'ok', subject, message: `reads its manifest and config: ${size}` });
  } catch (error) {
    signal.throwIfAborted();
    tellFailure('pull_by_agent', Failure.from(error), reference, subject, tell);
  }
  if (runtime === undefined) {
    tell({ check: 'pull_by_runtime', level: 'not_checked', subject, message: 'no runtime was found' });
    return;
  }
  try {
    const before = await runtime.listImages(signal);
    const startedAt = performance.now();
    const { imageId } = await pullAs(runtime, subject, credentials, signal);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    const wasHere = before.some(({ id }) => id === imageId);
    const message = wasHere ? 'was here already, so that no layer was fetched' : `pulled in ${seconds} s`;
    tell({ check: 'pull_by_runtime', level: 'ok', subject, message });
  } catch (error) {
    signal.throwIfAborted();
    tellFailure('pull_by_runtime', Failure.from(error), reference, subject, tell);
  }
}

/** With each credential until one is let in, as the agent pulls. */
async function pullAs(
  runtime: Pick<Runtime, 'pull'>,
  reference: string,
  credentials: readonly Credential[],
  signal: AbortSignal,
): Promise<PullResult> {
  const common = { reference, expected: undefined, keepsPartial: false, onProgress: () => undefined };
  let refusal: unknown;
  for (const credential of credentials.length === 0 ? [undefined] : credentials) {
    try {
      return await runtime.pull({ ...common, credential }, signal);
    } catch (error) {
      signal.throwIfAborted();
      refusal = error;
      if (!(error instanceof Failure) || error.code !== 'auth') break;
    }
  }
  throw refusal;
}

async function failureOf(
  ask: (signal: AbortSignal) => Promise<unknown>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Failure | undefined> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await ask(AbortSignal.any([signal, deadline]));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return deadline.aborted ? new Failure('timeout', `no answer within ${timeoutMs / 1000} s`) : Failure.from(error);
  }
}

type PullCheck = 'pull_by_agent' | 'pull_by_runtime';

function tellTrial(
  check: PullCheck,
  failure: Failure | undefined,
  reference: ImageReference,
  isProxied: boolean,
  tell: Tell,
): void {
  const subject = repositoryName(reference);
  const isMissing = failure?.code === 'not_found' && failure.detail !== 'project_missing';
  if (failure !== undefined && !isMissing) return tellFailure(check, failure, reference, subject, tell);
  const message = 'reaches the registry, trusts it and is let in';
  // Of an ordinary project Harbor says so too.
  if (isProxied && failure?.detail === 'not_found_proxy') {
    const advice = 'see whether the upstream of this proxy project is well';
    tell({ check, level: 'warning', subject, message: `${message}, but Harbor does not reach its upstream`, advice });
  } else tell({ check, level: 'ok', subject, message });
}

function tellFailure(
  check: PullCheck,
  failure: Failure,
  { registry }: ImageReference,
  subject: string,
  tell: Tell,
): void {
  const { code, detail } = failure;
  // containerd repeats the made-up reference before it comes to the point.
  const message = failure.message.replaceAll(/failed to (?:pull and unpack image|resolve reference) "[^"]*": /g, '');
  if (detail === 'token_realm') {
    const advice =
      "correct the registry's external address (Harbor: external_url or hostname in harbor.yml), or name the host in tokenHosts if it is meant";
    tell({ check: 'token_realm', level: 'failure', subject: registry, message, advice });
    return;
  }
  const advice = toAdvice(check, failure, registry);
  // Too many at once now says nothing of this node.
  const level = code === 'rate_limited' ? 'warning' : 'failure';
  tell({ check, level, subject, message, ...(advice === undefined ? {} : { advice }) });
}

function toAdvice(check: PullCheck, { code, detail }: Failure, host: string): string | undefined {
  switch (code) {
    case 'tls':
      return check === 'pull_by_agent'
        ? 'name the authority that signed its certificate as caFile of the registry'
        : `give the runtime the authority: ca = "…" in /etc/containerd/certs.d/${host}/hosts.toml (with config_path set), or /etc/docker/certs.d/${host}/ca.crt`;
    case 'network':
    case 'timeout':
      return check === 'pull_by_agent'
        ? 'check the name, the network and the proxies (HTTPS_PROXY, NO_PROXY) of the agent'
        : "check the name, the network and the proxies of the runtime's service";
    case 'auth':
      return 'see what the credential and permission checks say';
    case 'not_found':
      return detail === 'project_missing' ? 'mend the name of the project' : undefined;
    case 'upstream':
      return 'look at the registry, and at the gateway before it';
    default:
      return undefined;
  }
}
