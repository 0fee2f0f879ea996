import { createDockerRuntime } from '../../agent/runtime/docker/docker-runtime.ts';
import { describeRuntimeContract } from './runtime-contract.ts';
import { dockerMissing, makeDockerSubject } from './subjects/docker-subject.ts';

const makeSubject = () => makeDockerSubject((endpoint) => createDockerRuntime({ endpoint }));

describeRuntimeContract('dockerd', makeSubject, dockerMissing);
