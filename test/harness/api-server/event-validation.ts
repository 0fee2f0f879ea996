/** The rules of events.k8s.io/v1, stricter than those of core events. */

import { keyMistakes } from './name-validation.ts';
import { isSame } from './patches.ts';
import type { ApiObject } from './resources.ts';
import { type FieldMistake, invalidValue, requiredValue } from './status.ts';

const most = { reportingInstance: 128, action: 128, reason: 128, note: 1_024 } as const;
/** As they are named in messages: after the internal type. */
const internalNames: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
};

export function eventMistakes(event: ApiObject): FieldMistake[] {
  const mistakes: FieldMistake[] = [];
  const about = (event['regarding'] as { namespace?: string } | undefined)?.namespace ?? '';
  const place = event.metadata.namespace ?? '';
  if (about === '' && place !== 'default' && place !== 'kube-system') {
    mistakes.push(invalidValue('involvedObject.namespace', about, 'does not match event.namespace'));
  }
  const isTyped = event.type === 'Normal' || event.type === 'Warning';
  const type = isTyped ? [] : [invalidValue('type', '', `has invalid value: ${event.type ?? ''}`)];
  // Without its time it counts as an old-fashioned Event, of which less is asked.
  if (event['eventTime'] === undefined) return [...mistakes, requiredValue('eventTime'), ...type];
  const controller = event['reportingController'] as string | undefined;
  if (controller === undefined) mistakes.push(requiredValue('reportingController'));
  else mistakes.push(...keyMistakes('reportingController', controller));
  for (const [field, mostCharacters] of Object.entries(most)) {
    const value = event[field];
    const rule = `can have at most ${mostCharacters} characters`;
    if (value === undefined) {
      if (field !== 'note') mistakes.push(requiredValue(field));
    } else if (typeof value === 'string' && Buffer.byteLength(value) > mostCharacters) {
      mistakes.push(invalidValue(internalNames[field] ?? field, '', rule));
    }
  }
  const old = {
    deprecatedCount: 'count',
    deprecatedFirstTimestamp: 'firstTimestamp',
    deprecatedLastTimestamp: 'lastTimestamp',
  };
  for (const [field, internal] of Object.entries(old)) {
    if ((event[field] ?? null) !== null) mistakes.push(invalidValue(internal, '', 'needs to be unset'));
  }
  return [...mistakes, ...type, ...seriesMistakes(event)];
}

export function eventUpdateMistakes(event: ApiObject, existing: ApiObject): FieldMistake[] {
  const fixed = ['eventTime', 'reportingController', 'reportingInstance', 'action', 'reason', 'note', 'type'];
  return [
    ...[...fixed, 'regarding', 'related']
      .filter((field) => !isSame(event[field], existing[field]))
      .map((field) => invalidValue(internalNames[field] ?? field, event[field], 'field is immutable')),
    ...seriesMistakes(event),
  ];
}

function seriesMistakes(event: ApiObject): FieldMistake[] {
  const series = event['series'] as { count?: number; lastObservedTime?: string } | undefined;
  if (series === undefined) return [];
  const mistakes: FieldMistake[] = [];
  if ((series.count ?? 0) < 2) mistakes.push(invalidValue('series.count', '', 'should be at least 2'));
  if (series.lastObservedTime === undefined) mistakes.push(requiredValue('series.lastObservedTime'));
  return mistakes;
}
