import { describe, expect, it } from 'vitest';
import { chainIdsOf, eventually, expectCannot, failureOf, findImage, present, pull, soon } from '../helpers.ts';
import type { Subject } from '../subject.ts';

/** Names and the parts that an image needs. */
export function describeHolding(subject: () => Subject): void {
  describe('names', () => {
    it('are added where the runtime can', async () => {
      const { runtime, registry, expected } = subject();
      const { reference, id } = await present(subject(), 'named');
      const alias = `${registry.host}/contract/alias:1`;
      if (!expected.capabilities.alias) return expectCannot(runtime.addName(reference, alias, soon()));
      await runtime.addName(reference, alias, soon());
      await eventually(async () => {
        expect((await findImage(runtime, id))?.tags.toSorted()).toEqual([alias, reference].toSorted());
      });
      return undefined;
    });

    it('cannot be added to what is not there', async () => {
      const { runtime, registry } = subject();
      const nowhere = `${registry.host}/contract/nowhere:1`;
      const { code } = await failureOf(runtime.addName(nowhere, `${registry.host}/contract/alias:2`, soon()));
      expect(['not_found', 'runtime']).toContain(code);
    });
  });

  describe('an image with a part missing', () => {
    it.each(['config', 'layer'] as const)(
      '(%s) is not whole where the runtime can tell; a pull repairs it',
      async (part) => {
        const { runtime, expected, damage } = subject();
        const { reference, image, id } = await present(subject(), `damaged-${part}`);
        if (damage === undefined) return expect(expected.seesDamage).toBe(false);
        await damage(reference, image, part);
        await eventually(async () => {
          const shown = await findImage(runtime, id);
          expect(shown === undefined || !shown.whole).toBe(expected.seesDamage);
        });
        expect(await pull(runtime, reference)).toBe(id);
        expect(await findImage(runtime, id)).toMatchObject({ whole: true, tags: [reference] });
        const { chainIds } = await runtime.listLayers(soon());
        return expect(chainIdsOf(image).every((chainId) => chainIds.has(chainId))).toBe(expected.layers.chainIds);
      },
    );
  });
}
