import { succeeded, type ReplayReport } from '../replay/report.js';
import { reasonOf, withHint } from '../errors.js';
import type { HardwareCheck } from '../replay/dma-check.js';
import type { GoneTarget } from '../replay/gone-targets.js';
import type { SkippedSection } from '../replay/problems.js';
import type { Terminal } from './terminal.js';
import { counted, formatCount, formatDuration, printable, wrap } from './text.js';

/** The number of skipped sections that are listed at the end. */
const MOST_SKIPPED = 10;

/** What was checked by DMA, and the result. */
export function describeDmaCheck(report: ReplayReport, { colours, width }: Terminal): string[] {
  const { dma } = report;
  const indent = (text: string): string[] => wrap(text, width - 2).map((line) => `  ${line}`);
  if (dma === undefined) {
    return indent('no device to check with: add a target that has one, for instance --target soft');
  }
  if (dma.checked === 0) {
    return indent('nothing is mapped, so there is nothing to check');
  }
  const hardware = dma.hardware ?? [];
  const places = dma.targets.length > hardware.length ? 'At both ends and in the middle of every mapping a' : 'A';
  const readOnly = dma.targets.length > hardware.length ? ' A device write to read-only memory must fault.' : '';
  const lines = indent(
    `${places} device writes a pattern, and the host reads it through the VA mapper. Then the host writes, and the device reads.${readOnly}`,
  );
  lines.push(...hardware.flatMap((check) => indent(describeHardware(check))));
  if (hardware.length > 0) {
    lines.push(...indent('This device reports no faults: its writes to read-only memory must have no effect.'));
  }
  const faults = dma.faults === 0 ? '' : `, ${formatCount(dma.faults)} of them expecting a fault`;
  const outcome = dma.failed === 0 ? 'all passed' : `${formatCount(dma.failed)} failed`;
  const result = `${counted(dma.checked, 'check')} at ${counted(dma.targets.length, 'device')}${faults}: ${outcome}`;
  lines.push(...indent(result).map(dma.failed === 0 ? colours.green : colours.red));
  for (const { target, address, what } of dma.failures) {
    lines.push(
      ...wrap(`${printable(target)} at 0x${address.toString(16)}: ${printable(what)}`, width - 4).map((line) =>
        colours.red(`    ${line}`),
      ),
    );
  }
  if (dma.failed > dma.failures.length) {
    lines.push(colours.red(`    and ${formatCount(dma.failed - dma.failures.length)} more`));
  }
  return lines;
}

function describeHardware({ target, address, mappings, of }: HardwareCheck): string {
  const where = mappings === of ? 'every mapping' : `${formatCount(mappings)} of ${counted(of, 'mapping')}`;
  return (
    `Behind ${printable(target)} the device ${address} (edu) performs the DMA, through the IOMMU of this machine, ` +
    `at both ends of ${where}.`
  );
}

/** What is known of targets that cannot be checked by DMA. */
export function describeBackEnds({ backEnds, dma }: ReplayReport, { width }: Terminal): string[] {
  const checked = dma === undefined ? [] : [`Checked by DMA: ${dma.targets.map(printable).join(', ')}.`];
  const lines = backEnds.map(({ target, shared, of, answered }) => {
    const rest = shared === of ? '' : ', the others being read-only or memory of devices';
    const what = answered
      ? `It shares ${formatCount(shared)} of ${counted(of, 'mapping')}${rest}, and has answered after the last commit.`
      : 'It is gone.';
    return `Not checked by DMA: ${printable(target)}. A back end performs DMA only for a driver in the guest. ${what}`;
  });
  return (lines.length === 0 ? [] : [...checked, ...lines]).flatMap((text) =>
    wrap(text, width - 2).map((line) => `  ${line}`),
  );
}

/** Targets that were gone before the end; empty if there is none. */
export function describeGone(gone: readonly GoneTarget[], { colours, width }: Terminal): string[] {
  return gone.flatMap((target) => {
    const text = withHint(`${target.target} is gone ${sinceWhen(target)}: ${target.reason}`, target.hint);
    return wrap(printable(text), width - 2).map((line) => colours.red(`  ${line}`));
  });
}

function sinceWhen(gone: GoneTarget): string {
  if ('commit' in gone) {
    return `since commit ${gone.commit}`;
  }
  return { 'DMA check': 'since the DMA check', closing: 'since the end, when all was unmapped' }[gone.during];
}

/** Memory of devices that targets did not map; empty if there is none. */
export function describeSkipped(skipped: readonly SkippedSection[], { colours, width }: Terminal): string[] {
  const shown = skipped.slice(0, MOST_SKIPPED).map((skip) => {
    const { commit, target, region, range, code } = skip;
    return `commit ${commit}: ${target ?? ''} continues without ${range ?? ''} "${region ?? ''}" (${code ?? skip.reason})`;
  });
  const more = skipped.length - shown.length;
  return [...shown, ...(more === 0 ? [] : [`and ${formatCount(more)} more`])].flatMap((text) =>
    wrap(printable(text), width - 2).map((line) => colours.yellow(`  ${line}`)),
  );
}

/** The result in one sentence. */
export function closingLine(report: ReplayReport): string {
  const { trace, targets, failedCommits, skipped, dma, gone, closingError, interrupted, milliseconds } = report;
  const commits = trace.commits.length;
  if (succeeded(report)) {
    const reached = `${commits === 1 ? 'The commit' : `All ${formatCount(commits)} commits`} reached ${
      targets.length === 1 ? 'the target' : `all ${targets.length} targets`
    }`;
    const proof = dma === undefined ? '' : dma.checked === 0 ? ', and nothing is mapped' : ', and the DMA check passed';
    return `${reached}${proof}. ${formatDuration(milliseconds)}.`;
  }
  const skippedAt = [...new Set(skipped.map(({ target }) => printable(target ?? '')))].join(', ');
  const failedCalls = targets.reduce((sum, { failed }) => sum + failed, 0);
  const reasons = [
    interrupted === undefined
      ? ''
      : describeInterruption(interrupted, trace.arriving === undefined ? commits : undefined),
    failedCommits === 0 ? '' : `${formatCount(failedCommits)} of ${counted(commits, 'commit')} failed`,
    failedCalls === 0 ? '' : `${counted(failedCalls, 'target call')} failed`,
    ...gone.map((target) => `${printable(target.target)} is gone ${sinceWhen(target)}`),
    skipped.length === 0 ? '' : `${counted(skipped.length, 'section')} skipped at ${skippedAt}`,
    (dma?.failed ?? 0) === 0 ? '' : `${counted(dma?.failed ?? 0, 'DMA check')} failed`,
    closingError === undefined
      ? ''
      : `not everything could be unmapped at the end: ${printable(reasonOf(closingError))}`,
  ];
  const cleaned =
    interrupted === undefined || closingError !== undefined
      ? ''
      : `; ${targets.length === 1 ? 'target' : 'targets'} unmapped and detached`;
  return `${reasons.filter((reason) => reason !== '').join(', ')}${cleaned}.`;
}

function describeInterruption(
  { commits, during }: NonNullable<ReplayReport['interrupted']>,
  of: number | undefined,
): string {
  const where = { attach: ' (attaching)', commits: '', wait: ' (waiting)', 'DMA check': ' (DMA check)' }[during];
  return `Interrupted after commit ${formatCount(commits)}${of === undefined ? '' : ` of ${formatCount(of)}`}${where}`;
}
