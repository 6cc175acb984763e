import { InvalidArgumentError, Option } from 'commander';
import type { Speed } from '../replay/pace.js';

const ALLOWED_SPEEDS = 'Allowed choices are max, real, or a number above 0, such as 10 or 0.5.';

/** `--speed`. */
export function speedOption(byDefault: Speed, shownDefault?: string): Option {
  return new Option(
    '-s, --speed <speed>',
    'max: as fast as possible; real: at the recorded times; a number: so many times faster (0.5: half as fast)',
  )
    .argParser(speedOf)
    .default(byDefault, shownDefault);
}

function speedOf(text: string): Speed {
  const speed = text === 'real' ? 1 : text.trim() === '' ? NaN : Number(text);
  if (text !== 'max' && !(speed > 0 && speed < Infinity)) {
    throw new InvalidArgumentError(ALLOWED_SPEEDS);
  }
  return text === 'max' ? 'max' : speed;
}
