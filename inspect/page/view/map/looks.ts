import type { ExceptionKind } from '../../../wire/messages.js';
import type { Look } from './painter.js';
import type { Palette } from './palette.js';

export type MemoryKind = 'ram' | 'read-only' | 'device';

export const memoryKind = (type: 'ram' | 'device', writable: boolean): MemoryKind =>
  type === 'device' ? 'device' : writable ? 'ram' : 'read-only';

export function memoryLook({ color, patterns }: Palette, kind: MemoryKind): Look {
  const look = { fill: color(kind), edge: color(`${kind}-edge`) };
  return kind === 'ram' ? look : { ...look, pattern: kind === 'device' ? patterns.device : patterns.readOnly };
}

export function heldLook({ color }: Palette): Look {
  return { fill: color('held'), edge: color('held-edge') };
}

export function exceptionLook({ color, patterns }: Palette, kind: ExceptionKind): Look {
  switch (kind) {
    case 'stuck':
      return { fill: color('stuck'), edge: color('stuck'), pattern: patterns.stuck };
    case 'missing':
      return { fill: color('paper'), edge: color('missing'), pattern: patterns.missing };
    case 'absent':
      return { fill: color('paper'), edge: color('absent') };
    case 'extra':
      return { fill: color('held'), edge: color('held-edge'), pattern: patterns.extra };
  }
}
