/**
 * What a refusal of Harbor's REST API means (2.15). Its 403 names neither permission nor project, so whoever asks says what the call needs. Its 404
 * is believed only in its own words: a gateway's page, or a path that a gateway decoded, proves nothing.
 */

import { Failure } from '../core/failure.ts';
import { parseErrorText, toResponseFailure } from './response-failure.ts';
import type { HttpResponse } from './transport.ts';

/** What the account needs for a call. */
export interface NeededPermission {
  /** As Harbor's API calls them: `artifact`, `list`. */
  readonly resource: string;
  readonly action: string;
  /** Undefined: one of the whole system, or of a project whose name whoever asks does not know. */
  readonly project?: string;
  readonly isOfSomeProject?: boolean;
}

export interface Refusal {
  readonly response: HttpResponse;
  /** For messages: `harbor.example.com`. */
  readonly host: string;
  /** For messages: `the artifacts of ml/llm`. */
  readonly subject: string;
  /** Undefined: nobody. */
  readonly username: string | undefined;
  readonly secrets: readonly string[];
  readonly needs: NeededPermission | undefined;
}

export function toRefusal(refusal: Refusal, now: number): Failure {
  const { response, host, subject, username, secrets, needs } = refusal;
  const said = parseErrorText(response.body);
  switch (response.status) {
    case 401:
      if (username === undefined) {
        return new Failure('auth', `${host} wants a credential for ${subject}`, { detail: 'auth_failed' });
      }
      return new Failure('auth', `${host} does not take the credential of ${username} (${subject})`, {
        detail: 'auth_failed',
      });
    case 403:
      // Harbor's own refusals by policy say DENIED; a gateway's say nothing that can be read.
      if (said?.code === 'FORBIDDEN' && needs !== undefined) return forbidden(host, username, needs);
      break;
    case 404:
      if (said?.code === 'NOT_FOUND' && /^project \S+ not found/.test(said.message)) {
        return missingProject(host, needs?.project ?? subject);
      }
      if (said?.code === 'NOT_FOUND' && !/^path \S+ was not found/.test(said.message)) {
        return new Failure('not_found', `${host} does not have ${subject}: ${said.message}`);
      }
      return new Failure(
        'upstream',
        `${host} answers 404 for ${subject}, but not as Harbor's API does: a gateway before it may not pass /api/v2.0 on, or may decode %252F`,
      );
    default:
  }
  return toResponseFailure(response, subject, secrets, now);
}

export function forbidden(host: string, username: string | undefined, needs: NeededPermission): Failure {
  const who = username ?? 'who has no credential';
  return new Failure('auth', `${host} refuses ${who}: it lacks ${formatPermission(needs)}`, { detail: 'forbidden' });
}

export function missingProject(host: string, project: string): Failure {
  return new Failure('not_found', `${host} has no project ${project}`, { detail: 'project_missing' });
}

/** `artifact:list (List Artifact) on project ml`: as the API and as Harbor's robot dialogue call it. */
export function formatPermission({ resource, action, project, isOfSomeProject }: NeededPermission): string {
  const words = `${action} ${resource.replaceAll('-', ' ')}`.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
  const place = isOfSomeProject === true ? 'on its project' : 'of the system';
  return `${resource}:${action} (${words}) ${project === undefined ? place : `on project ${project}`}`;
}

/** A success that is not what was asked for: a portal's page, a sign-in form. */
export function notHarbor(host: string, subject: string): Failure {
  return new Failure('upstream', `${host} answers for ${subject} with something that is not Harbor's`);
}
