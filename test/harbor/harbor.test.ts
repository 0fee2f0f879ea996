/** The behaviours on the Harbor of `HARBOR_URL` (run.mjs). */

import { describeProxyCosts } from '../contract/harbor/proxy-costs.ts';
import { describeProxyFailures } from '../contract/harbor/proxy-failures.ts';
import { describeBehaviours } from './behaviours/all.ts';
import { makeRealSubject } from './real-subject.ts';

const { HARBOR_URL: url, HARBOR_USERNAME: username, HARBOR_PASSWORD: password } = process.env;
if (url === undefined || username === undefined || password === undefined) {
  throw new Error('HARBOR_URL, HARBOR_USERNAME and HARBOR_PASSWORD are needed: run npm run test:harbor');
}
const harbor = { url, admin: { username, password }, ownHost: process.env['HARBOR_UPSTREAM_HOST'] };

const make = () => makeRealSubject(harbor);

describeBehaviours(url, make, { isQuick: process.env['HARBOR_QUICK'] === '1', isTls: url.startsWith('https:') });
describeProxyCosts(url, make);
describeProxyFailures(url, make);
