import { makeApiServerSubject, startInProcessTarget } from './cluster/api-server-subject.ts';
import { makeFakeClusterSubject } from './cluster/fake-subject.ts';
import { describeClusterContract } from './cluster-contract.ts';

describeClusterContract('the fake', makeFakeClusterSubject);
describeClusterContract('an API server in process', async () => makeApiServerSubject(await startInProcessTarget()));
