import { describe, expect, it } from 'vitest';
import { traceKinds } from '../../../agent/core/uninstall-round.ts';
import { findImage, present, soon } from '../helpers.ts';
import type { Subject } from '../subject.ts';

export function describeTraces(subject: () => Subject): void {
  describe('traces', () => {
    it('of ours are taken back, once, and pins of others stay', async () => {
      const { runtime, expected, pinByOther, leftovers } = subject();
      const { reference: theirs, id: theirId } = await present(subject(), 'traces-theirs');
      await pinByOther?.(theirs);
      const { reference, id } = await present(subject(), 'traces');
      if (expected.capabilities.pin) await runtime.setPinned(reference, true, soon());
      const found = await runtime.removeTraces('pins', soon());
      expect(found > 0).toBe(expected.capabilities.pin);
      for (const kind of traceKinds) await runtime.removeTraces(kind, soon());
      for (const kind of traceKinds) expect(await runtime.removeTraces(kind, soon())).toBe(0);
      expect(await findImage(runtime, id)).toMatchObject({ pinnedNames: [], whole: true });
      expect((await leftovers()).leases).toEqual([]);
      if (pinByOther !== undefined) expect(await findImage(runtime, theirId)).toMatchObject({ pinnedByOthers: true });
    });
  });
}
