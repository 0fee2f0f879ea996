/** Behaviours that a real Harbor has too (test/harbor), on the double. */

import { describeBehaviours } from '../harbor/behaviours/all.ts';
import { makeDoubleSubject } from '../harbor/double-subject.ts';

describeBehaviours('the double', makeDoubleSubject);
