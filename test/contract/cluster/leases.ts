import { afterEach, describe, expect, test } from 'vitest';
import { expectFailure, soon } from './helpers.ts';
import type { ClusterSubject } from './subject.ts';

const slot = 'stevedore-pull-0';

export function describeLeases(subject: () => ClusterSubject): void {
  describe('Leases', () => {
    afterEach(async () => {
      for (const name of [slot, 'stevedore-pull-1', 'another']) await subject().admin.deleteLease(name);
    });

    test('are listed by the beginning of their name', async () => {
      const { cluster } = subject();
      expect(await cluster.listLeases('stevedore-pull-', soon())).toEqual([]);
      for (const name of [slot, 'stevedore-pull-1', 'another']) await cluster.createLease(name, 'n1', 60, soon());
      const leases = await cluster.listLeases('stevedore-pull-', soon());
      expect(leases.map(({ name }) => name).toSorted()).toEqual([slot, 'stevedore-pull-1']);
    });

    test('one that is made says who holds it, and comes back so in the list', async () => {
      const { cluster } = subject();
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      expect(made).toMatchObject({ name: slot, holder: 'n1', durationSeconds: 60 });
      expect(Math.abs((made.renewedAt ?? 0) - Date.now())).toBeLessThan(600_000);
      expect(await cluster.listLeases('stevedore-pull-', soon())).toEqual([made]);
    });

    test('only one of two makes it', async () => {
      const { cluster } = subject();
      const outcomes = await Promise.allSettled([
        cluster.createLease(slot, 'n1', 60, soon()),
        cluster.createLease(slot, 'n2', 60, soon()),
      ]);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      await expectFailure(cluster.createLease(slot, 'n3', 60, soon()), 'other', 'conflict');
    });

    test('is renewed, given back and taken by another', async () => {
      const { cluster } = subject();
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      const renewed = await cluster.updateLease(made, 'n1', 30, soon());
      expect(renewed).toMatchObject({ holder: 'n1', durationSeconds: 30 });
      const free = await cluster.updateLease(renewed, '', 30, soon());
      expect(free.holder).toBe('');
      expect(await cluster.listLeases(slot, soon())).toEqual([free]);
      expect(await cluster.updateLease(free, 'n2', 60, soon())).toMatchObject({ holder: 'n2', durationSeconds: 60 });
    });

    test('whoever read it before the other changed it loses', async () => {
      const { cluster } = subject();
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      const taken = await cluster.updateLease(made, 'n2', 60, soon());
      await expectFailure(cluster.updateLease(made, 'n3', 60, soon()), 'other', 'conflict');
      expect(await cluster.listLeases(slot, soon())).toEqual([taken]);
    });

    test('one that was deleted is made again, by one of two', async () => {
      const { admin, cluster } = subject();
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      await admin.deleteLease(slot);
      const again = await cluster.updateLease(made, 'n2', 60, soon());
      expect(await cluster.listLeases(slot, soon())).toEqual([again]);
      await expectFailure(cluster.updateLease(made, 'n1', 60, soon()), 'other', 'conflict');
    });

    test('one is read by its name', async () => {
      const { admin, cluster } = subject();
      await expectFailure(cluster.getLease(slot, soon()), 'not_found');
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      expect(made.annotations).toEqual({});
      expect(await cluster.getLease(slot, soon())).toEqual(made);
      const taken = await cluster.updateLease(made, 'n2', 60, soon());
      expect(await cluster.getLease(slot, soon())).toEqual(taken);
      await admin.deleteLease(slot);
      await expectFailure(cluster.getLease(slot, soon()), 'not_found');
    });

    test('annotations are replaced whole, and stay where nothing is said of them', async () => {
      const { cluster } = subject();
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      const annotated = await cluster.updateLease(made, 'n1', 60, soon(), { 'resolved-at': 'now', round: '7' });
      expect(annotated.annotations).toEqual({ 'resolved-at': 'now', round: '7' });
      expect(await cluster.listLeases(slot, soon())).toEqual([annotated]);
      const renewed = await cluster.updateLease(annotated, 'n1', 60, soon());
      expect(renewed.annotations).toEqual({ 'resolved-at': 'now', round: '7' });
      const again = await cluster.updateLease(renewed, 'n2', 60, soon(), { round: '8' });
      expect(again.annotations).toEqual({ round: '8' });
      expect((await cluster.updateLease(again, '', 60, soon(), {})).annotations).toEqual({});
    });

    test('a refusal says that it is one', async () => {
      const { cluster, readOnly } = subject();
      await expectFailure(readOnly.createLease(slot, 'n1', 60, soon()), 'auth', 'forbidden');
      const made = await cluster.createLease(slot, 'n1', 60, soon());
      await expectFailure(readOnly.updateLease(made, 'n2', 60, soon()), 'auth', 'forbidden');
    });
  });
}
