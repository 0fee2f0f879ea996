import type { Logger } from '../core/logger.ts';
import type { PullPlan } from '../core/pull-plan.ts';

/** Writes each decision not to pull once, when it is made or its reason changes, not at every look. */
export class DecisionLog {
  readonly #log: Logger;
  #said = new Map<string, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  write(plan: PullPlan): void {
    const said = new Map<string, string>();
    for (const { reference, reason, message, until, failure } of plan.waiting) {
      this.#say(said, reference, `${reason} ${failure ?? message}`, () => {
        const again = until === undefined ? undefined : new Date(until).toISOString();
        this.#log.info({ image: reference, reason, why: message, until: again }, 'pull waits');
      });
    }
    for (const { reference, imageSets, code, detail, message } of plan.refused) {
      this.#say(said, reference, `${detail} ${message}`, () =>
        this.#log.warn({ image: reference, imageSets, code, detail, why: message }, 'image refused'),
      );
    }
    for (const { reference, imageSets, refusal } of plan.present) {
      if (refusal === undefined) continue;
      const { code, detail, message } = refusal;
      this.#say(said, reference, `present ${message}`, () =>
        this.#log.warn({ image: reference, imageSets, code, detail, why: message }, 'image is here, and refused'),
      );
    }
    for (const { imageSet, message } of plan.unselected) {
      this.#say(said, `set ${imageSet}`, message, () =>
        this.#log.info({ imageSet, why: message }, 'image set not selected'),
      );
    }
    this.#said = said;
  }

  #say(said: Map<string, string>, key: string, what: string, say: () => void): void {
    said.set(key, what);
    if (this.#said.get(key) !== what) say();
  }
}
