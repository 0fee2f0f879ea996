/** What a fake runtime keeps beside images: only what the test put there. */

import { containerdLeftoverKinds, dockerLeftoverKinds } from '../../agent/core/leftovers.ts';
import type { Leftover, LeftoverKind } from '../../agent/core/leftovers.ts';
import type { RuntimeKind } from '../../agent/runtime/runtime.ts';

export type FakeLeftoverSpec = Pick<Leftover, 'kind' | 'id'> & Partial<Leftover>;

const kindsOf: Readonly<Record<RuntimeKind, readonly LeftoverKind[]>> = {
  containerd: containerdLeftoverKinds,
  docker: dockerLeftoverKinds,
  cri: [],
};

export class FakeLeftovers {
  readonly #kinds: readonly LeftoverKind[];
  readonly #present: Leftover[] = [];
  readonly #used = new Set<Leftover>();

  constructor(runtime: RuntimeKind) {
    this.#kinds = kindsOf[runtime];
  }

  add(spec: FakeLeftoverSpec): Leftover {
    if (!this.#kinds.includes(spec.kind)) throw new Error(`this runtime has no leftovers of kind ${spec.kind}`);
    const leftover = { name: spec.id, bytes: undefined, unusedSince: undefined, ...spec };
    this.#present.push(leftover);
    return leftover;
  }

  /** From now on something uses it: it is not listed, and not removed by whoever saw it before. */
  use(kind: LeftoverKind, id: string): void {
    const leftover = this.#find(kind, id);
    if (leftover !== undefined) this.#used.add(leftover);
  }

  list(kinds: ReadonlySet<LeftoverKind>): Leftover[] {
    return this.#present.filter((leftover) => kinds.has(leftover.kind) && !this.#used.has(leftover));
  }

  remove({ kind, id }: Leftover): 'removed' | 'absent' | 'in_use' {
    if (kind === 'namespace') return 'in_use';
    const leftover = this.#find(kind, id);
    if (leftover === undefined) return 'absent';
    if (this.#used.has(leftover)) return 'in_use';
    this.#present.splice(this.#present.indexOf(leftover), 1);
    return 'removed';
  }

  get bytes(): number {
    return this.#present.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  }

  #find(kind: LeftoverKind, id: string): Leftover | undefined {
    return this.#present.find((leftover) => leftover.kind === kind && leftover.id === id);
  }
}
