import type { Question } from '../support/question.js';
import { attach } from './attach.js';
import { change } from './change.js';
import { copy } from './copy.js';
import { inspect } from './inspect.js';
import { memory } from './memory.js';
import { page } from './page.js';
import { rangeMap } from './range-map.js';
import { softDma } from './soft-dma.js';
import { stall } from './stall.js';
import { toggle } from './toggle.js';
import { va } from './va.js';
import { vcpu } from './vcpu.js';
import { vhostUser } from './vhost-user.js';
import { where } from './where.js';

/** In the order in which they are measured. */
export const questions: readonly Question[] = [
  change,
  attach,
  stall,
  memory,
  toggle,
  va,
  copy,
  softDma,
  rangeMap,
  vcpu,
  vhostUser,
  page,
  inspect,
  where,
];
