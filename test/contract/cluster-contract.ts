/** The contract of the cluster port, run on the fake and on the adapter with an API server behind it. */

import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { describeLeases } from './cluster/leases.ts';
import { describePublishing } from './cluster/publishing.ts';
import { describeReading } from './cluster/reading.ts';
import type { ClusterSubject } from './cluster/subject.ts';
import { describeWatching } from './cluster/watching.ts';
import { describeWriting } from './cluster/writing.ts';

/** @param missing why it cannot run here; the suite then shows as skipped. */
export function describeClusterContract(
  name: string,
  makeSubject: () => Promise<ClusterSubject>,
  missing?: string,
): void {
  describe.skipIf(missing !== undefined)(`the contract of the cluster port: ${name}`, () => {
    let made: ClusterSubject | undefined;
    const subject = (): ClusterSubject => {
      if (made === undefined) throw new Error('the subject was not made');
      return made;
    };

    beforeAll(async () => {
      made = await makeSubject();
    });
    afterEach(() => subject().admin.deleteNode());
    afterAll(() => made?.close());

    describeReading(subject);
    describeWatching(subject);
    describeWriting(subject);
    describeLeases(subject);
    describePublishing(subject);
  });
}
