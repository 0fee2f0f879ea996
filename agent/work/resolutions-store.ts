/** What was resolved for this node in the state folder, for a start without the API server or without Harbor. */

import {
  type CheckedFormat,
  parseCheckedText,
  toCheckedText,
  toList,
  toText,
  toTime,
  toTimestamp,
} from '../core/checked-text.ts';
import { errorMessage } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Resolutions } from '../core/resolution.ts';
import { joinResolved, parseResolvedText, toResolvedTexts } from '../core/resolved-document.ts';
import { createStateFile } from './state-file.ts';

const fileName = 'resolved.json';
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

export interface ResolutionsStore {
  /** Undefined where there is nothing, or nothing that can be read, which is said aloud. Never rejects. */
  load(): Promise<KeptResolutions | undefined>;
  /** On disk when it returns, or the old one still is. @throws whatever the filesystem refuses */
  save(kept: KeptResolutions): Promise<void>;
}

/** The file in the state folder, whose lock the caller holds. One that cannot be read is kept aside. */
export function createResolutionsStore(stateDir: string, log: Logger): ResolutionsStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        await file.removeTemporaryFiles();
        const text = await file.read();
        if (text === undefined) return undefined;
        try {
          return parseKept(text);
        } catch (error) {
          const keptAs = await file.setAside();
          log.error({ file: file.path, keptAs, error: errorMessage(error) }, `${unreadable} and is set aside`);
        }
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, unreadable);
      }
      return undefined;
    },
    save: (kept) => file.write(toKeptText(kept)),
  };
}

const unreadable = 'what was resolved earlier cannot be read';

/** For whoever only looks: keeps nothing aside and saves nothing. */
export function createResolutionsReader(stateDir: string, log: Logger): ResolutionsStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        const text = await file.read();
        return text === undefined ? undefined : parseKept(text);
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, unreadable);
        return undefined;
      }
    },
    save: async () => undefined,
  };
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
