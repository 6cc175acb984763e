/**
 * Metrics of a manager for OpenTelemetry, and a page that shows its memory map.
 *
 * @module dma-streams/inspect
 */
export { instrument } from './metrics/instrument.js';
export type { Instrumentation, InstrumentOptions } from './metrics/instrument.js';
export { serveInspector } from './server/serve-inspector.js';
export type { Inspector } from './server/serve-inspector.js';
export type { InspectorOptions } from './server/inspector-options.js';
export type { SourceStatus, WatchProblem } from './source-status.js';
