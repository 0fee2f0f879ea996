/** What one exchange with Harbor does not show, on the double. `describeProxyCosts` and the like take a real one as well. */

import { makeDoubleSubject } from './double-subject.ts';
import { describeProxyCosts } from './proxy-costs.ts';
import { describeProxyFailures } from './proxy-failures.ts';

describeProxyCosts('the double', makeDoubleSubject);
describeProxyFailures('the double', makeDoubleSubject);
