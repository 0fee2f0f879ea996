import type { PinBudget } from '../core/configuration.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import type { ImagePart } from '../core/image-parts.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem, RuntimeImage } from '../core/node-images.ts';
import { planPins, toPinBudgetBytes } from '../core/pin-plan.ts';
import { namesOf } from '../core/prune-protection.ts';
import type { Connected } from './runtime-connection.ts';
import type { Recorder } from './recorder.ts';

export interface PinsSeen {
  readonly connected: Connected;
  readonly desired: readonly DesiredImage[];
  readonly images: readonly RuntimeImage[];
  readonly filesystem: ImageFilesystem | undefined;
  readonly budget: PinBudget;
}

/** Keeps the pins of desired images as they should be: every look sets what is lost and takes back what is no longer due. */
export class Pins {
  readonly #recorder: Pick<Recorder, 'imagesPinned'>;
  readonly #log: Logger;
  /** What the last plan went by; the same again needs no other. */
  #settled: string | undefined;
  #parts: ReadonlyMap<string, readonly ImagePart[]> = new Map();
  #overBudget = '';

  constructor(recorder: Pick<Recorder, 'imagesPinned'>, log: Logger) {
    this.#recorder = recorder;
    this.#log = log;
  }

  /** Never throws but `signal.reason`: a pin that cannot be set is tried again at the next look. */
  async keep({ connected, desired, images, filesystem, budget }: PinsSeen, signal: AbortSignal): Promise<void> {
    const { runtime, info } = connected;
    if (!info.capabilities.pin) return;
    const budgetBytes = toPinBudgetBytes(budget, filesystem?.sizeBytes);
    const key = JSON.stringify([
      budgetBytes,
      desired.map(({ reference, priority, gate, resolved }) => [reference, priority, gate, resolved]),
      images.map((image) => [image.id, namesOf(image), image.pinnedNames, image.pinnedByOthers, image.whole]),
    ]);
    if (key === this.#settled) return;
    try {
      const wanted = new Set(desired.map(({ reference }) => reference));
      const isDesired = (image: RuntimeImage): boolean => namesOf(image).some((name) => wanted.has(name));
      const unknown = images.some((image) => isDesired(image) && !this.#parts.has(image.id));
      if (unknown) this.#parts = await runtime.listImageParts(signal);
      const plan = planPins({ desired, images, parts: this.#parts, budgetBytes });
      for (const name of plan.unpin) await this.#set(connected, name, false, signal);
      let failed = 0;
      for (const name of plan.pin) failed += Number(!(await this.#set(connected, name, true, signal)));
      this.#recorder.imagesPinned(plan.pinned.length - failed);
      this.#sayOverBudget(plan.overBudget, budgetBytes);
      // What was changed just now shows at the next look, which then has nothing to do.
      if (plan.pin.length === 0 && plan.unpin.length === 0) this.#settled = key;
    } catch (error) {
      signal.throwIfAborted();
      this.#log.warn({ error: Failure.from(error).message }, 'pins not kept');
    }
  }

  async #set({ runtime }: Connected, name: string, pinned: boolean, signal: AbortSignal): Promise<boolean> {
    try {
      await runtime.setPinned(name, pinned, signal);
      this.#log.info({ image: name }, pinned ? 'image pinned' : 'image unpinned');
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = Failure.from(error);
      // It went since the look.
      if (code !== 'not_found') this.#log.warn({ image: name, pinned, code, error: message }, 'pin not changed');
      return false;
    }
  }

  #sayOverBudget(names: readonly string[], budgetBytes: number | undefined): void {
    const said = names.join(' ');
    if (said === this.#overBudget) return;
    this.#overBudget = said;
    // A budget of nothing is how pins are switched off.
    if (names.length === 0 || budgetBytes === 0) return;
    this.#log.warn(
      { images: names, budgetBytes },
      'prefetch.pinBudget is used up: the kubelet may collect these images',
    );
  }
}
