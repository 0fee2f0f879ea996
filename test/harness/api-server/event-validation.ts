/** The rules of events.k8s.io/v1, stricter than those of core events. */

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
  const fits = about === '' ? place === 'default' || place === 'kube-system' : about === place;
  if (!fits) mistakes.push(invalidValue('involvedObject.namespace', about, 'does not match event.namespace'));
  if (event['eventTime'] === undefined) mistakes.push(requiredValue('eventTime'));
  if (event['reportingController'] === undefined) mistakes.push(requiredValue('reportingController'));
  for (const [field, mostCharacters] of Object.entries(most)) {
    const value = event[field];
    const rule = `can have at most ${mostCharacters} characters`;
    if (value === undefined) {
      if (field !== 'note') mistakes.push(requiredValue(field));
    } else if (typeof value === 'string' && Buffer.byteLength(value) > mostCharacters) {
      mistakes.push(invalidValue(internalNames[field] ?? field, '', rule));
    }
  }
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    mistakes.push(invalidValue('type', '', 'has to be one of Normal or Warning'));
  }
  return [...mistakes, ...seriesMistakes(event)];
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
