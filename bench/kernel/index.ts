import { slots } from './counted-slots.js';
import { cycle } from './cycle.js';
import { countedExits, exits } from './exits.js';
import { hotAttach } from './hot-attach.js';
import { instructionQuestions } from './instructions.js';
import type { KernelQuestion } from './kernel-question.js';
import { large } from './large.js';

/** In the order in which they are measured. */
export const kernelQuestions: readonly KernelQuestion[] = [cycle, hotAttach, large, exits];

/** Those of `--instructions`. */
export const countedQuestions: readonly KernelQuestion[] = [...instructionQuestions, slots, countedExits];
