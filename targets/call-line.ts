import type { DmaMapRequest, MemoryRange } from '../streams/index.js';

/** One call of a target, for one output line. */
export type TargetCall =
  | {
      /** A map. */
      readonly op: 'map';
      /** Name of the target. */
      readonly target: string;
      /** What was to be mapped. */
      readonly request: DmaMapRequest;
      /** The code of the error. Absent if the call succeeded. */
      readonly failed?: string;
    }
  | {
      /** An unmap. */
      readonly op: 'unmap';
      /** Name of the target. */
      readonly target: string;
      /** Guest physical addresses. */
      readonly range: MemoryRange;
      /** The code of the error. Absent if the call succeeded. */
      readonly failed?: string;
    };

/**
 * Formats the call as one line of JSON, without a line break. The keys have a fixed order. `fileOffset`, in bytes, is hexadecimal.
 * `failed`, the code of the error, is present only if the call failed.
 */
export function callToJson(call: TargetCall): string {
  const { target, op } = call;
  const failed = call.failed === undefined ? {} : { failed: call.failed };
  if (call.op === 'unmap') {
    return JSON.stringify({ target, op, range: call.range.toString(), ...failed });
  }
  const { range, region, type, writable, fileOffset } = call.request;
  return JSON.stringify({
    target,
    op,
    range: range.toString(),
    region,
    type,
    writable,
    fileOffset: `0x${fileOffset.toString(16)}`,
    ...failed,
  });
}

/**
 * Formats the call as one human-readable line, without a line break: `log: map   0x0-0xa0000 rw ram0, ram0+0x0`. Control characters in
 * names are escaped as in JSON.
 */
export function callToText(call: TargetCall): string {
  return textOf(call).replace(/[\p{Cc}\u2028\u2029]/gu, escaped);
}

function textOf(call: TargetCall): string {
  const failed = call.failed === undefined ? '' : ` FAILED ${call.failed}`;
  if (call.op === 'unmap') {
    return `${call.target}: unmap ${call.range.toString()}${failed}`;
  }
  const { range, region, type, writable, mappable, fileOffset } = call.request;
  const backing = mappable === undefined ? 'private memory' : `${mappable.label}+0x${fileOffset.toString(16)}`;
  const kind = type === 'device' ? ' device' : '';
  return `${call.target}: map   ${range.toString()} ${writable ? 'rw' : 'r '}${kind} ${region}, ${backing}${failed}`;
}

/** The JSON escape of a character; also of `\u007f` and others that JSON does not escape. */
function escaped(character: string): string {
  const text = JSON.stringify(character).slice(1, -1);
  return text === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : text;
}
