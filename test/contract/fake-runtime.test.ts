import { describeRuntimeContract } from './runtime-contract.ts';
import { makeFakeSubject } from './subjects/fake-subject.ts';

for (const kind of ['containerd', 'docker', 'cri'] as const) {
  describeRuntimeContract(`a fake ${kind}`, () => makeFakeSubject(kind));
}
