import { FakeRegistry, fakeSummary } from '../../fakes/fake-registry.ts';
import { describeRegistry } from './registry-contract.ts';

describeRegistry('fake', async () => {
  const registry = new FakeRegistry();
  const login = { username: 'robot$app+pull', password: 'secret' };
  registry.protect('private.example', login.username, login.password);
  return {
    registry,
    openHost: 'open.example',
    privateHost: 'private.example',
    login,
    push: async (reference, seed) => {
      const summary = fakeSummary(seed, [
        { name: 'base', sizeBytes: 1_000 },
        { name: seed, sizeBytes: 500 },
      ]);
      registry.add(reference, summary);
      return summary;
    },
    requests: () => registry.calls.length,
    hold: () => registry.hold('*'),
    close: async () => {},
  };
});
