/** A vertical strip of the drawing, in pixels. */
export interface Lane {
  readonly left: number;
  readonly width: number;
}

export interface Lanes {
  readonly axis: Lane;
  /** Whether the axis has room for sizes beside the addresses. */
  readonly withSizes: boolean;
  readonly guest: Lane;
  /** All levels of regions. */
  readonly regions: Lane;
  /** One for each level; those for which there is no room share the last one. */
  readonly levels: readonly Lane[];
  /** One for each target for which there is room. */
  readonly targets: readonly Lane[];
}

const GAP = 6;
const NARROWEST = { level: 9, target: 52 };
/** In pixels, and as a part of what the axis leaves, where that is more. */
const WIDEST = { guest: [300, 0.24], level: [170, 0.14], target: [110, 0.1] } as const;

/** Width of a digit in the drawing, and of how many there is always room for, so that the lanes do not move with each zoom. */
const DIGIT = 6.7;
const MINIMUM_DIGITS = 11;

/**
 * Divides the width of the drawing among the axis, what the guest sees, levels of regions and targets.
 *
 * @param digits of the longest address, with `0x`
 */
export function lanesOf(width: number, levelCount: number, targetCount: number, digits = 0): Lanes {
  const withSizes = width >= 620;
  const addressWidth = Math.max(MINIMUM_DIGITS, digits) * DIGIT;
  const axis: Lane = { left: 0, width: Math.ceil(addressWidth) + (withSizes ? 82 : 12) };
  const rest = Math.max(60, width - axis.width - GAP);
  const widest = ([pixels, part]: readonly [number, number]): number => Math.max(pixels, Math.floor(rest * part));
  const targetWidth = Math.max(
    NARROWEST.target,
    Math.min(widest(WIDEST.target), Math.floor((rest * 0.42) / Math.max(1, targetCount)) - GAP),
  );
  const shownTargets = Math.min(targetCount, Math.floor((rest * 0.5) / (targetWidth + GAP)));
  const forTargets = shownTargets * (targetWidth + GAP);
  const forBoth = rest - forTargets - 4 * GAP;
  const guestWidth = Math.min(widest(WIDEST.guest), Math.floor(forBoth * (levelCount > 2 ? 0.36 : 0.5)));
  const forRegions = Math.max(NARROWEST.level, forBoth - guestWidth);
  const shownLevels = Math.max(1, Math.min(levelCount, Math.floor(forRegions / NARROWEST.level)));
  const levelWidth = Math.min(widest(WIDEST.level), Math.floor(forRegions / shownLevels));
  const guest: Lane = { left: axis.width + GAP, width: guestWidth };
  const regionsLeft = guest.left + guest.width + GAP;
  const regions: Lane = { left: regionsLeft, width: Math.min(forRegions, levelWidth * shownLevels) };
  const targetsLeft = regions.left + regions.width + GAP * 2;
  return {
    axis,
    withSizes,
    guest,
    regions,
    levels: Array.from({ length: shownLevels }, (_, index) => ({
      left: regionsLeft + index * levelWidth,
      width: levelWidth - 1,
    })),
    targets: Array.from({ length: shownTargets }, (_, index) => ({
      left: targetsLeft + index * (targetWidth + GAP),
      width: targetWidth,
    })),
  };
}
