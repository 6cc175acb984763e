// The page of all error codes, as Markdown.

/** Where an error comes from, by the beginning of the path of the file that makes it: the first that fits. */
const AREAS = [
  ['streams/', 'the manager'],
  ['binding/memory/reserve-pages', 'pages reserved in advance'],
  ['binding/memory/', 'guest memory in this process'],
  ['binding/kvm/', 'KVM'],
  ['binding/iommu/', 'VFIO, iommufd'],
  ['binding/sockets/event-fd', 'an eventfd'],
  ['binding/sockets/', 'a unix socket'],
  ['targets/kernel/slot-errors', 'memory slots of a VM'],
  ['targets/kernel/', 'VFIO, iommufd'],
  ['targets/iommufd', 'iommufd'],
  ['targets/soft-iommu', 'SoftIommuTarget'],
  ['targets/vhost-user', 'vhost-user'],
  ['targets/', 'assigned devices'],
  ['sources/', 'QEMU as a source'],
  ['inspect/', 'the page of the inspector'],
  ['testing/', 'the test kit'],
];

/** Codes that are not in the library's own list. */
const OTHER_CODES = {
  // Node.js has it for every abort.
  ABORT_ERR: {
    meaning: 'the `AbortSignal` of an attach was aborted; `cause` is its reason',
    cure: 'nothing, if that was meant: what was mapped is undone. Attach again when it may take as long as it takes',
  },
  ERR_UNKNOWN: {
    meaning: 'what was thrown has no code; in the JSON of `doctor`, and where the inspector cannot listen',
    cure: 'see the message, and `cause`',
  },
};

/** What people see of codes whose messages no source has as a text. */
const MESSAGES = {
  ERR_CONTRACT: 'what the call breached, as in `violations` of the fake',
};

const HEAD = `# Troubleshooting

Every error code: what people see, what it means, and what to do. This page is made from the sources by \`npm run docs:errors\`; do not edit it.

A message begins with the code. Words in capitals stand for what varies: \`RANGE\` is \`0x1000-0x2000\`, \`TARGET\` the name of a target. An error
also has a \`hint\`, which names the file, the limit or the command that applies; read it first. \`errno\`, \`syscall\`, \`request\`, \`target\`, \`region\`
and \`range\` are properties, \`cause\` is the error below, and \`JSON.stringify(error)\` has all of them. A \`DmaMapError\` or \`DmaUnmapError\` has the
code of its cause. Wrong arguments are a \`TypeError\` or \`RangeError\`, whose message says what is accepted.

To see what a machine lacks, run \`npx dma-streams doctor\`. For what the kernel's calls return and when, see the
[error table](kernel.md#error-table) of the kernel interfaces; for other processes, see [their errors](processes.md).
`;

/**
 * @param codes the codes of the library: for each, its meaning and its cure
 * @param errnos the error numbers of the kernel: for each, its number and its sentence
 * @param findings what the sources say for each code
 */
export function pageOf(codes, errnos, findings) {
  const byCode = new Map();
  for (const finding of findings) {
    byCode.set(finding.code, [...(byCode.get(finding.code) ?? []), finding]);
  }
  const library = Object.entries({ ...codes, ...OTHER_CODES }).map(([code, { meaning, cure }]) =>
    row(idOf(code), seen(code, byCode.get(code) ?? []), text(meaning), text(cure)),
  );
  const known = Object.keys(errnos).filter((code) => byCode.get(code)?.some(({ hints }) => hints.length > 0));
  const kernel = known.sort().flatMap((code) => kernelRows(code, errnos[code], byCode.get(code)));
  const others = Object.entries(errnos)
    .filter(([code]) => !known.includes(code))
    .map(([code, [number, sentence]]) => `\`${code}\` (${number}) ${text(sentence)}`);
  return [
    HEAD,
    '## The codes\n',
    'First those of this library, then those of the kernel, with their numbers. The latter come from the kernel, or from a target or a socket that',
    'finds the same before the kernel is called; `errno` is the number, negative.\n',
    table(['code', 'what you see', 'what it means, or where it occurs', 'what to do'], [...library, ...kernel]),
    '## Other codes of the kernel\n',
    'For these the library has no advice of its own; a target, a VA mapper or a system call of yours may return them. See errno(3).\n',
    `${others.join(', ')}.\n`,
  ].join('\n');
}

/** A row for each message with its advice, and where both occur. */
function kernelRows(code, [number, sentence], findings) {
  const rows = findings
    .filter(({ hints }) => hints.length > 0)
    .map(({ says, hints, when, file }) => [
      says.length > 0 ? lines(says) : text(sentence),
      [areaOf(file), occasionOf(when)].filter((part) => part !== '').join(': '),
      lines(hints.map((hint) => hint.trim())),
    ]);
  const merged = new Map();
  for (const [says, where, hint] of rows) {
    const key = `${says}|${hint}`;
    merged.set(key, { says, hint, where: new Set([...(merged.get(key)?.where ?? []), where]) });
  }
  return [...merged.values()].map(({ says, hint, where }, index) =>
    row(index === 0 ? `${idOf(code)} (${number})` : `\`${code}\``, says, [...where].join('<br>'), hint),
  );
}

/** The messages of a code. */
function seen(code, findings) {
  const messages = [...new Set(findings.flatMap(({ says }) => says))];
  return messages.length === 0
    ? (MESSAGES[code] ?? 'the message of what was thrown, which is `cause`')
    : lines(messages);
}

function areaOf(file) {
  const area = AREAS.find(([beginning]) => file.startsWith(beginning));
  if (area === undefined) {
    throw new Error(
      `${file} makes errors, and tooling/troubleshooting/page.js does not say what it is about: add it to AREAS.`,
    );
  }
  return area[1];
}

/** `a failure to open a group file` of `Hint for a failure to open a group file`; nothing if a comment is not of that form. */
function occasionOf(when) {
  return text(/^(?:The )?(?:[Hh]int for|hint of|error of|What to do when) (.*)$/.exec(when)?.[1] ?? '');
}

/** A code with an anchor of its own: `troubleshooting.md#enomem`. */
function idOf(code) {
  return `<a id="${code.toLowerCase()}"></a>\`${code}\``;
}

/** Sentences below one another. */
function lines(texts) {
  return texts.length === 1 ? text(texts[0]) : texts.map((one) => `• ${text(one)}`).join('<br>');
}

/** As a cell of a table: nothing of it is markup, except code in backticks. */
function text(sentence) {
  return sentence
    .replace(/:?\s+$/, '')
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[\\*<~]/g, (sign) => `\\${sign}`)))
    .join('')
    .replaceAll('|', '\\|');
}

function table(head, rows) {
  return [row(...head), row(...head.map(() => '---')), ...rows, ''].join('\n');
}

function row(...cells) {
  return `| ${cells.join(' | ')} |`;
}
