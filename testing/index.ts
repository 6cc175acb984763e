/**
 * What the tests of a target need: fakes that keep the contract and fail on plan, marble tests in virtual time, and the contract of `DmaTarget` as a
 * suite. It needs no addon, and works with any test runner.
 *
 * @module dma-streams/testing
 */
export { RecordingTarget } from './recording-target.js';
export type { RecordingTargetOptions, Reply } from './recording-target.js';
export type { CallAnswer } from './serve-batch.js';
export { FakeVaMapper } from './fake-va-mapper.js';
export type { FakeVaMapperOptions } from './fake-va-mapper.js';
export { FakeMappable } from './fake-mappable.js';
export { FailingFake } from './failing-fake.js';
export type { FailurePlan, FakeCall } from './call-record.js';
export { addRam, mapOf, setOf, unmapOf } from './builders.js';
export type { RangeLike, SetContents } from './builders.js';
export { outcomeText, setText } from './texts.js';
export { marbleTest } from './marbles.js';
export type { MarbleHelpers, TextExpectation } from './marbles.js';
export { checkTarget } from './check-target.js';
export type { CheckTargetOptions, TargetCheck } from './check-target.js';
