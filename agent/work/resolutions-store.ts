/** What was resolved for this node in the state folder, for a start without the API server or without Harbor. */

import { isDeepStrictEqual } from 'node:util';
import {
  type CheckedFormat,
  parseCheckedText,
  toCheckedText,
  toList,
  toText,
  toTime,
  toTimestamp,
} from '../core/checked-text.ts';
import type { Logger } from '../core/logger.ts';
import { noResolutions, type Resolutions } from '../core/resolution.ts';
import { joinResolved, parseResolvedText, toResolvedTexts } from '../core/resolved-document.ts';
import { createKeptFile, createKeptFileReader, type KeptFile, type KeptFormat } from './kept-file.ts';
import { StateKeeper } from './state-keeper.ts';

const format: CheckedFormat = {
  format: 'stevedore-resolved',
  version: '1.0',
  what: 'what was resolved for Stevedore',
};

export interface KeptResolutions {
  readonly resolutions: Resolutions;
  /** By whoever resolved it, epoch ms; undefined: nobody said. */
  readonly resolvedAt: number | undefined;
}

export type ResolutionsStore = KeptFile<KeptResolutions>;

const kept: KeptFormat<KeptResolutions> = {
  fileName: 'resolved.json',
  what: 'what was resolved earlier',
  parse: parseKept,
  toText: toKeptText,
};

/** The file in the state folder, whose lock the caller holds. One that cannot be read is kept aside. */
export function createResolutionsStore(stateDir: string, log: Logger): ResolutionsStore {
  return createKeptFile(stateDir, kept, log);
}

/** For whoever only looks: keeps nothing aside and saves nothing. */
export function createResolutionsReader(stateDir: string, log: Logger): ResolutionsStore {
  return createKeptFileReader(stateDir, kept, log);
}

function toKeptText({ resolutions, resolvedAt }: KeptResolutions): string {
  const { texts } = toResolvedTexts(resolutions, Number.POSITIVE_INFINITY);
  return toCheckedText(format, { ...(resolvedAt === undefined ? {} : { resolvedAt: toTimestamp(resolvedAt) }), texts });
}

/** @throws Error that says what is wrong with it */
function parseKept(text: string): KeptResolutions {
  const { resolvedAt, texts } = parseCheckedText(format, text);
  const parts = toList(texts, 'texts').map((part, index) => parseResolvedText(toText(part, `texts[${index}]`)));
  const { images, patterns } = joinResolved(parts);
  return {
    resolutions: { images, patterns },
    resolvedAt: resolvedAt === undefined ? undefined : toTime(resolvedAt, 'resolvedAt'),
  };
}

/** Saves what counts on the node when it is another. */
export class ResolutionsKeeper {
  readonly #store: ResolutionsStore;
  readonly #keeper: StateKeeper<KeptResolutions>;
  #kept: KeptResolutions = { resolutions: noResolutions, resolvedAt: undefined };

  constructor(store: ResolutionsStore, log: Logger) {
    this.#store = store;
    this.#keeper = new StateKeeper({ save: (content) => store.save(content), what: 'what was resolved', log });
  }

  /** What was kept of earlier times; to be awaited before anything else. Never rejects. */
  async load(): Promise<KeptResolutions> {
    this.#kept = (await this.#store.load()) ?? this.#kept;
    this.#keeper.startFrom(this.#kept);
    return this.#kept;
  }

  /** @param everyMs that the same was found again is not worth a write to the disk sooner */
  keep(content: KeptResolutions, everyMs: number): void {
    const { resolutions, resolvedAt = 0 } = this.#kept;
    const isLater = (content.resolvedAt ?? 0) - resolvedAt >= everyMs;
    const isEmpty = resolutions.images.size + resolutions.patterns.size === 0;
    if ((isEmpty || !isLater) && isDeepStrictEqual(resolutions, content.resolutions)) return;
    this.#kept = content;
    this.#keeper.keep(content);
  }

  /** What is wanted is on disk, or cannot be written, which has been said. */
  flush(): Promise<void> {
    return this.#keeper.flush();
  }
}
