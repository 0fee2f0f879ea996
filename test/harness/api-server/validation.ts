/** What an API server refuses with 422 although it could read it. */

import { eventMistakes, eventUpdateMistakes } from './event-validation.ts';
import { keyMistakes, namePart, subdomain, subdomainRule } from './name-validation.ts';
import type { ApiObject, Resource } from './resources.ts';
import { type FieldMistake, invalidValue, requiredValue } from './status.ts';

const mostAnnotationBytes = 262_144;
const mostConfigMapBytes = 1_048_576;
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

const labelValueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

function tooLong(field: string, mostBytes: number): FieldMistake {
  return { reason: 'FieldValueTooLong', message: `Too long: may not be more than ${mostBytes} bytes`, field };
}

/** Mistakes in Events are told without their API group. */
export function toMistaken({ plural, group, kind }: Resource): { group: string; kind: string } {
  return { group: plural === 'events' ? '' : group, kind };
}

/** @param existing what is replaced; `undefined` for a new object */
export function mistakesOf(resource: Resource, object: ApiObject, existing: ApiObject | undefined): FieldMistake[] {
  return [...metadataMistakes(object, existing), ...kindMistakes(resource, object, existing)];
}

function metadataMistakes({ metadata }: ApiObject, existing: ApiObject | undefined): FieldMistake[] {
  const { name, generateName, labels = {}, annotations = {} } = metadata;
  const mistakes: FieldMistake[] = [];
  if (existing === undefined) {
    const prefix = generateName?.replace(/-$/, 'a');
    if (prefix !== undefined && !subdomain.test(prefix)) {
      mistakes.push(invalidValue('metadata.generateName', generateName, subdomainRule));
    }
    if (!subdomain.test(name)) mistakes.push(invalidValue('metadata.name', name, subdomainRule));
    else if (name.length > 253) mistakes.push(tooLong('metadata.name', 253));
  } else {
    for (const field of ['name', 'namespace', 'uid', 'creationTimestamp']) {
      if (metadata[field] !== existing.metadata[field]) {
        mistakes.push(invalidValue(`metadata.${field}`, metadata[field], 'field is immutable'));
      }
    }
  }
  for (const [key, value] of Object.entries(labels)) {
    mistakes.push(...keyMistakes('metadata.labels', key));
    if (value !== '' && !namePart.test(value)) mistakes.push(invalidValue('metadata.labels', value, labelValueRule));
    if (value.length > 63) mistakes.push(invalidValue('metadata.labels', value, 'must be no more than 63 bytes'));
  }
  const annotationBytes = Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  for (const key of Object.keys(annotations)) mistakes.push(...keyMistakes('metadata.annotations', key.toLowerCase()));
  if (annotationBytes > mostAnnotationBytes) mistakes.push(tooLong('metadata.annotations', mostAnnotationBytes));
  return mistakes;
}

function kindMistakes(resource: Resource, object: ApiObject, existing: ApiObject | undefined): FieldMistake[] {
  switch (resource.plural) {
    case 'nodes':
      return nodeMistakes(object);
    case 'configmaps':
      return configMapMistakes(object, existing);
    case 'leases':
      return leaseMistakes(object);
    case 'events':
      return existing === undefined ? eventMistakes(object) : eventUpdateMistakes(object, existing);
    case 'namespaces':
      return [];
  }
}

function nodeMistakes({ spec }: ApiObject): FieldMistake[] {
  const taints = spec?.taints ?? [];
  return taints.flatMap((taint, index) => {
    const at = `metadata.taints[${index}]`;
    const mistakes = keyMistakes(`${at}.key`, taint.key);
    if (taint.effect === undefined) mistakes.push(requiredValue(`${at}.effect`));
    else if (!taintEffects.includes(taint.effect)) {
      const supported = taintEffects.map((one) => `"${one}"`).join(', ');
      const message = `Unsupported value: ${JSON.stringify(taint.effect)}: supported values: ${supported}`;
      mistakes.push({ reason: 'FieldValueNotSupported', field: `${at}.effect`, message });
    }
    const twin = taints.findIndex((one) => one.key === taint.key && one.effect === taint.effect);
    if (twin < index) {
      const message = `Duplicate value: ${JSON.stringify(taint)}: taints must be unique by key and effect pair`;
      mistakes.push({ reason: 'FieldValueDuplicate', field: at, message });
    }
    return mistakes;
  });
}

function configMapMistakes({ data, immutable, ...rest }: ApiObject, existing: ApiObject | undefined): FieldMistake[] {
  const mistakes: FieldMistake[] = [];
  if (existing?.['immutable'] === true) {
    const rule = 'field is immutable when `immutable` is set';
    const forbidden = (field: string): FieldMistake => ({
      reason: 'FieldValueForbidden',
      field,
      message: `Forbidden: ${rule}`,
    });
    if (immutable !== true) mistakes.push(forbidden('immutable'));
    if (JSON.stringify(data) !== JSON.stringify(existing.data)) mistakes.push(forbidden('data'));
  }
  const sizes = [...Object.values(data ?? {}), ...Object.values((rest['binaryData'] as object | undefined) ?? {})];
  const bytes = sizes.reduce((sum: number, value) => sum + Buffer.byteLength(String(value)), 0);
  if (bytes > mostConfigMapBytes) mistakes.push(tooLong('[]', mostConfigMapBytes));
  for (const key of Object.keys(data ?? {})) {
    if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
      mistakes.push(
        invalidValue(
          `data[${key}]`,
          key,
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        ),
      );
    }
  }
  return mistakes;
}

function leaseMistakes({ spec }: ApiObject): FieldMistake[] {
  const mistakes: FieldMistake[] = [];
  if (spec?.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) {
    mistakes.push(invalidValue('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0'));
  }
  if (spec?.leaseTransitions !== undefined && spec.leaseTransitions < 0) {
    const rule = 'must be greater than or equal to 0';
    mistakes.push(invalidValue('spec.leaseTransitions', spec.leaseTransitions, rule));
  }
  return mistakes;
}
