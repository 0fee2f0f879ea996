/** `stevedore warm`: part of the composition root, which loads the clients of registries and Harbor only for it. */

import { createCredentialStore } from './config/credential-files.ts';
import { createCoordinatorClients } from './coordinator-clients.ts';
import { warmByHand } from './coordinator/hand-warming.ts';
import type { HandWarmOrder, OnHandWarmEvent } from './coordinator/hand-warming-events.ts';
import type { CredentialsFor } from './coordinator/parts.ts';
import { ProjectBook } from './coordinator/project-book.ts';
import { Warmer } from './coordinator/warmer.ts';
import { matchesPattern } from './core/artifact-selection.ts';
import type { Configuration, ImageSet } from './core/configuration.ts';
import { toNodePlatform } from './core/demand.ts';
import { Failure } from './core/failure.ts';
import { silentLogger } from './core/logger.ts';
import { formatPlatform, toPlatform } from './core/platform.ts';
import type { RoundOutcome } from './core/pull-round.ts';
import { joinResolved, parseResolvedText, resolvedKey } from './core/resolved-document.ts';
import type { Resolutions } from './core/resolution.ts';
import type { NodeAgent, WarmRequest } from './node-agent.ts';
import { loadInputs } from './one-shot.ts';
import { toUserAgent } from './registries.ts';
import { createResolutionsReader } from './work/resolutions-store.ts';

/** Needs neither the state folder nor a runtime. @throws Failure where the configuration or the cluster's nodes cannot be read */
export async function warmOnce(
  agent: NodeAgent,
  request: WarmRequest,
  onEvent: OnHandWarmEvent,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  const { inputs, member, metrics, log } = agent;
  try {
    await loadInputs(agent, signal);
    const { configuration } = inputs;
    if (configuration === undefined) throw new Failure('other', 'there is no configuration');
    const order = await toOrder(agent, configuration, request, signal);
    const own = toPlatform(process.platform, process.arch);
    const { registries } = configuration;
    const clients = createCoordinatorClients({
      registries: () => registries,
      platform: own,
      userAgent: toUserAgent(),
      metrics,
      log,
    });
    const { source, blobs, harbor, close } = clients;
    const store = createCredentialStore(log);
    const credentialsFor: CredentialsFor = (image, sources) =>
      store.credentialsFor(image, [sources, configuration.credentials]);
    const settings = () => configuration.warm;
    const warmer = new Warmer({ source: blobs, harbor, credentialsFor, settings, recorder: metrics, log });
    const projects = new ProjectBook({ harbor, credentialsFor });
    const isHarbor = (host: string) => registries.some((registry) => registry.host === host && registry.harbor);
    try {
      return await warmByHand(order, { source, harbor, projects, isHarbor, warmer }, onEvent, signal);
    } finally {
      await close();
    }
  } finally {
    await member?.cluster.close();
  }
}

async function toOrder(
  agent: NodeAgent,
  configuration: Configuration,
  { images, platforms, dryRun }: WarmRequest,
  signal: AbortSignal,
): Promise<HandWarmOrder> {
  return {
    images: images.map((reference) => ({ reference, credentials: toCredentials(configuration.imageSets, reference) })),
    platforms: platforms ?? (await findPlatforms(agent, signal)),
    arePlatformsNamed: platforms !== undefined,
    dryRun,
    knownBytes: dryRun === 'look' ? toKnownBytes(await readKnown(agent, signal)) : new Map(),
  };
}

function toCredentials(imageSets: readonly ImageSet[], reference: string): ImageSet['credentials'] {
  return imageSets
    .filter(
      ({ images, patterns }) => images.includes(reference) || patterns.some((one) => matchesPattern(one, reference)),
    )
    .flatMap(({ credentials }) => credentials);
}

/** Those of the cluster's nodes, or the own one. */
async function findPlatforms({ member }: NodeAgent, signal: AbortSignal): Promise<readonly string[]> {
  const own = toPlatform(process.platform, process.arch);
  if (member === undefined) return [formatPlatform(own)];
  const nodes = await member.cluster.listNodes(signal).catch((error: unknown) => {
    signal.throwIfAborted();
    const { code, message, detail } = Failure.from(error);
    const words = `the cluster's nodes cannot be listed, so name the platforms by --platform: ${message}`;
    throw new Failure(code, words, { detail, cause: error });
  });
  const platforms = new Set(nodes.map(({ labels }) => toNodePlatform(labels, own)));
  return platforms.size === 0 ? [formatPlatform(own)] : [...platforms].toSorted();
}

/** What was resolved for the cluster or kept by an agent on this node, where that can be read. */
async function readKnown({ settings, member, log }: NodeAgent, signal: AbortSignal): Promise<readonly Resolutions[]> {
  // Whoever warms by hand need not be somebody who may read an agent's state folder.
  const kept = await createResolutionsReader(settings.stateDir, silentLogger).load();
  const published = await member?.cluster.readResolved(signal).catch((error: unknown) => {
    signal.throwIfAborted();
    log.info({ error: Failure.from(error).message }, 'what was resolved for the cluster could not be read');
    return undefined;
  });
  const parts = (published ?? []).map(({ data }) => parseResolvedText(data[resolvedKey]));
  return [...(kept === undefined ? [] : [kept.resolutions]), joinResolved(parts)];
}

function toKnownBytes(known: readonly Resolutions[]): ReadonlyMap<string, number> {
  const platforms = known.flatMap(({ images }) => [...images.values()].flatMap((image) => image.platforms));
  return new Map(platforms.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
}
