import type { BehaviourMaker, BehaviourOptions } from '../subject.ts';
import { describeAccounts } from './accounts.ts';
import { describeDoctor } from './doctor.ts';
import { describeListing } from './listing.ts';
import { describePolicy } from './policy.ts';
import { describeResolving } from './resolving.ts';
import { describeWarming } from './warming.ts';

export function describeBehaviours(name: string, make: BehaviourMaker, options: BehaviourOptions = {}): void {
  describeAccounts(name, make);
  describeListing(name, make);
  describePolicy(name, make);
  describeResolving(name, make, options);
  describeDoctor(name, make, options);
  describeWarming(name, make, options);
}
