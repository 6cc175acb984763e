export { instrument } from './metrics/instrument.js';
export type { Instrumentation, InstrumentOptions } from './metrics/instrument.js';
