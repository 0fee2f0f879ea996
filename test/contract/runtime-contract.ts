/** The contract of the runtime port, run on the fake and on every adapter with a real runtime behind it. */

import { afterAll, beforeAll, describe } from 'vitest';
import { describeAborting } from './cases/aborting.ts';
import { describeHolding } from './cases/holding.ts';
import { describeLeftovers } from './cases/leftovers.ts';
import { describeListing } from './cases/listing.ts';
import { describeLiving } from './cases/living.ts';
import { describeMeasuring } from './cases/measuring.ts';
import { describePinning } from './cases/pinning.ts';
import { describePulling } from './cases/pulling.ts';
import { describeRemoving } from './cases/removing.ts';
import { describeTraces } from './cases/traces.ts';
import { describeUsing } from './cases/using.ts';
import type { Subject } from './subject.ts';

/** @param missing why it cannot run here; the suite then shows as skipped. */
export function describeRuntimeContract(name: string, makeSubject: () => Promise<Subject>, missing?: string): void {
  describe.skipIf(missing !== undefined)(`the contract of the runtime port: ${name}`, () => {
    let made: Subject | undefined;
    const subject = (): Subject => {
      if (made === undefined) throw new Error('the subject was not made');
      return made;
    };

    beforeAll(async () => {
      made = await makeSubject();
    });
    afterAll(() => made?.close());

    describeListing(subject);
    describePulling(subject);
    describeAborting(subject);
    describeHolding(subject);
    describeUsing(subject);
    describePinning(subject);
    describeTraces(subject);
    describeMeasuring(subject);
    describeRemoving(subject);
    describeLeftovers(subject);
    describeLiving(subject);
  });
}
