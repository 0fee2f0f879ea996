import type { PruneRequest } from './prune-goals.ts';
import type { PruneOrder } from './prune-round.ts';

/** What `stevedore plan` and a run without an order ask for: age, and space as far as the watermarks go. */
export const wholeRequest: PruneRequest = { age: true, space: 'watermarks', needBytes: 0, untilFreeBytes: undefined };

/** What a user's order asks of one run. Pure. */
export function toPruneRequest({ tier, untilFreeBytes }: Pick<PruneOrder, 'tier' | 'untilFreeBytes'>): PruneRequest {
  switch (tier) {
    case undefined:
      return { ...wholeRequest, untilFreeBytes };
    case 'age':
      return { age: true, space: 'none', needBytes: 0, untilFreeBytes };
    case 'space':
    case 'critical':
      return { age: false, space: tier, needBytes: 0, untilFreeBytes };
  }
}
