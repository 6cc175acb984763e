export { instrument } from './instrument.js';
export type { Instrumentation, InstrumentOptions } from './instrument.js';
