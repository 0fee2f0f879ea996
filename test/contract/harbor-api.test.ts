/** One contract for the port to Harbor's REST API: the fake of the tests, and the client in front of the Harbor of the tests. */

import { describe } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { harborContract } from './harbor-api-contract.ts';
import { makeFakeSubject, startClientSubject } from './harbor-api-subject.ts';

describe('the fake Harbor', () => harborContract(makeFakeSubject));

describeWith(needs.registry, "the client of Harbor's REST API", () => harborContract(startClientSubject));
