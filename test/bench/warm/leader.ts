/** The agent that leads: the real resolver, warmer and publication, as agent/coordinating.ts puts them together for one process. */

import { parseConfiguration } from '../../../agent/config/load.ts';
import { Coordinating } from '../../../agent/coordinating.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import type { Logger } from '../../../agent/core/logger.ts';
import { noResolutions, type ResolvedImage } from '../../../agent/core/resolution.ts';
import { toResolvedTexts } from '../../../agent/core/resolved-document.ts';
import { readBuildInfo } from '../../../agent/ops/build-info.ts';
import { createMetrics } from '../../../agent/ops/metrics.ts';
import { nodePlatform } from './cold-image.ts';

export interface LeaderOptions {
  readonly configuration: string;
  readonly login: { readonly username: string; readonly password: string };
  readonly reference: string;
  readonly onPublished: (texts: readonly string[], isReleased: boolean) => void;
}

export interface Leader {
  /** By kind; each answer counts, refused ones too. */
  readonly requests: Readonly<Record<string, number>>;
  /** What it warned of. */
  readonly complaints: readonly string[];
  /** How warming ended: `warm`, `given_up`; undefined: not yet. */
  readonly state: string | undefined;
  run(signal: AbortSignal): Promise<void>;
}

export function createLeader({ configuration: text, login, reference, onPublished }: LeaderOptions): Leader {
  const parsed = parseConfiguration(text, 'bench');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  const { configuration } = parsed;
  const requests: Record<string, number> = {};
  const complaints: string[] = [];
  const complain: Logger['warn'] = (fields, message) => void complaints.push(`${message} ${JSON.stringify(fields)}`);
  let state: string | undefined;
  const metrics = {
    ...createMetrics(readBuildInfo({})),
    registryRequest: (_registry: string, operation: string) => {
      requests[operation] = (requests[operation] ?? 0) + 1;
    },
  };
  const coordinating = new Coordinating({
    nodeName: 'leader',
    platform: nodePlatform,
    userAgent: 'stevedore-leader/bench',
    cluster: undefined,
    credentials: {
      credentialsFor: async ({ registry }) => [new Credential(registry, login.username, login.password)],
      problems: () => [],
    },
    configuration: () => configuration,
    labels: () => ({}),
    known: noResolutions,
    knownSince: undefined,
    onPublished: (resolutions) => {
      state = toState(resolutions.images.get(reference));
      onPublished(toResolvedTexts(resolutions).texts, state === 'warm' || state === 'given_up');
    },
    metrics,
    log: { debug: () => undefined, info: () => undefined, warn: complain, error: complain },
  });
  return {
    requests,
    complaints,
    get state() {
      return state;
    },
    async run(signal) {
      coordinating.setConfiguration(configuration);
      await coordinating.run(signal);
      await coordinating.close();
    },
  };
}

function toState(image: ResolvedImage | undefined): string | undefined {
  return image?.platforms[0]?.warm;
}
