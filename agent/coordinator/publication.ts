import type { Cluster, ResolvedConfigMap } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { noResolutions, type Resolutions } from '../core/resolution.ts';
import { resolvedConfigMaps } from '../core/resolved-config-maps.ts';
import { joinResolved, parseResolvedText, resolvedKey, toResolvedTexts } from '../core/resolved-document.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';

/** Where what was resolved is made known to the nodes. */
export interface Publication {
  /** What is known now. @throws Failure where nobody can tell */
  read(signal: AbortSignal): Promise<Resolutions>;
  /** Makes it known. False: some of it could not be, and the next call tries again. Rejects only with an abort. */
  write(resolutions: Resolutions, signal: AbortSignal): Promise<boolean>;
}

/** For the one process without Kubernetes. */
export class MemoryPublication implements Publication {
  readonly #onWritten: (resolutions: Resolutions) => void;
  #known: Resolutions;

  /** @param known what was resolved in an earlier life */
  constructor(onWritten: (resolutions: Resolutions) => void, known: Resolutions = noResolutions) {
    this.#onWritten = onWritten;
    this.#known = known;
  }

  read(): Promise<Resolutions> {
    return Promise.resolve(this.#known);
  }

  write(resolutions: Resolutions): Promise<boolean> {
    this.#known = resolutions;
    this.#onWritten(resolutions);
    return Promise.resolve(true);
  }
}

/** Whoever empties what was published (`helm upgrade --force` does) tells nobody: it is looked at again so often. */
const readAgainMs = 600_000;

export interface ClusterPublicationParts {
  readonly cluster: Pick<Cluster, 'readResolved' | 'updateResolved'>;
  readonly recorder: Pick<HarborRecorder, 'publishFailed'>;
  readonly log: Logger;
}

/** The ConfigMaps `stevedore-resolved-0…7`: only those whose text changed are written, and none is ever made. */
export class ClusterPublication implements Publication {
  readonly #parts: ClusterPublicationParts;
  readonly #known = new Map<string, ResolvedConfigMap>();
  readonly #said = new Map<string, string>();
  /** Monotonic ms. */
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ClusterPublicationParts) {
    this.#parts = parts;
  }

  async read(signal: AbortSignal): Promise<Resolutions> {
    const configMaps = await this.#readAll(signal);
    return joinResolved(configMaps.map(({ data }) => parseResolvedText(data[resolvedKey])));
  }

  async write(resolutions: Resolutions, signal: AbortSignal): Promise<boolean> {
    let isWhole = true;
    const { texts, omitted } = toResolvedTexts(resolutions);
    await this.#readWhereOld(signal);
    this.#sayOmitted(omitted);
    for (const [shard, name] of resolvedConfigMaps.entries()) {
      signal.throwIfAborted();
      const text = texts[shard] ?? '';
      if (this.#known.get(name)?.data[resolvedKey] === text) continue;
      try {
        await this.#writeOne(name, text, signal);
        this.#said.delete(name);
      } catch (error) {
        signal.throwIfAborted();
        const { code, detail, message } = Failure.from(error);
        isWhole = false;
        this.#parts.recorder.publishFailed();
        this.#say(
          name,
          message,
          { configMap: name, code, detail, error: message },
          'what was resolved is not published',
        );
      }
    }
    return isWhole;
  }

  async #readWhereOld(signal: AbortSignal): Promise<void> {
    if (this.#known.size === 0 || performance.now() - this.#readAt < readAgainMs) return;
    await this.#readAll(signal).catch(() => signal.throwIfAborted());
  }

  async #writeOne(name: string, text: string, signal: AbortSignal): Promise<void> {
    const { cluster } = this.#parts;
    let known = this.#known.get(name);
    if (known === undefined) {
      await this.#readAll(signal);
      known = this.#known.get(name);
      if (known === undefined) {
        throw new Failure('not_found', `there is no ConfigMap ${name}: the manifests make it, an agent never does`);
      }
      if (known.data[resolvedKey] === text) return;
    }
    try {
      this.#known.set(name, await cluster.updateResolved(known, { [resolvedKey]: text }, signal));
    } catch (error) {
      const failure = Failure.from(error);
      if (failure.detail !== 'conflict') {
        if (failure.code === 'not_found') this.#known.delete(name);
        throw failure;
      }
      // Somebody else wrote it since; only a leader writes, and this agent leads: its word counts.
      await this.#readAll(signal);
      const again = this.#known.get(name);
      if (again === undefined) throw failure;
      this.#known.set(name, await cluster.updateResolved(again, { [resolvedKey]: text }, signal));
    }
  }

  async #readAll(signal: AbortSignal): Promise<readonly ResolvedConfigMap[]> {
    const configMaps = await this.#parts.cluster.readResolved(signal);
    this.#readAt = performance.now();
    this.#known.clear();
    for (const configMap of configMaps) this.#known.set(configMap.name, configMap);
    const missing = resolvedConfigMaps.filter((name) => !this.#known.has(name));
    if (missing.length > 0) {
      const text = missing.join(' ');
      this.#say(
        'missing',
        text,
        { missing: text },
        'ConfigMaps are missing: apply the manifests, what belongs there is not published',
      );
    }
    return configMaps;
  }

  #sayOmitted({ excluded, records }: { readonly excluded: number; readonly records: number }): void {
    if (excluded + records === 0) {
      this.#said.delete('omitted');
      return;
    }
    this.#parts.recorder.publishFailed();
    const what =
      'what was resolved is too big to be published whole: lists of excluded images are left out, then records';
    this.#say('omitted', `${excluded} ${records}`, { excluded, records }, what);
  }

  #say(about: string, words: string, fields: Readonly<Record<string, unknown>>, what: string): void {
    if (this.#said.get(about) !== words) this.#parts.log.warn(fields, what);
    this.#said.set(about, words);
  }
}
