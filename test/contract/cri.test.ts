import { createCriRuntime } from '../../agent/runtime/cri/cri-runtime.ts';
import { describeRuntimeContract } from './runtime-contract.ts';
import { containerdMissing, makeContainerdSubject } from './subjects/containerd-subject.ts';
import { podContainers } from './subjects/pods.ts';

const makeSubject = () =>
  makeContainerdSubject({
    connect: (endpoint) => createCriRuntime({ endpoint }),
    containers: ({ endpoint, folder }) => podContainers(endpoint, folder),
    expected: {
      kind: 'cri',
      capabilities: {
        events: false,
        progress: false,
        resume: false,
        pin: false,
        alias: false,
        exactSizes: false,
      },
      layers: { chainIds: false, blobs: false },
      seesDamage: false,
      tellsRemovedNames: false,
      removalInUse: 'removed',
      parts: { stores: ['layer'], whole: true },
      tellsStart: true,
      undoesBegun: false,
    },
  });

describeRuntimeContract('containerd through the CRI alone', makeSubject, containerdMissing);
