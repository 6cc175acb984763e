// Which file may import which. `npm run lint:imports` fails on an import that goes up, on a circle, and on a package that a folder must
// not use; imports of types count.

/** The folders of the project, and what each may import besides itself: other folders, packages, modules of Node.js. */
const FOLDERS = {
  streams: { folders: [], packages: ['rxjs'], builtins: false },
  testing: { folders: ['streams'], packages: ['rxjs'], builtins: true },
  binding: { folders: ['streams'], packages: ['node-gyp-build', 'rxjs'], builtins: true },
  targets: { folders: ['streams', 'binding'], packages: ['rxjs'], builtins: true },
  sources: { folders: ['streams', 'binding'], packages: ['rxjs'], builtins: true },
  inspect: { folders: ['streams'], packages: ['rxjs', '@opentelemetry/api'], builtins: true },
  cli: {
    folders: ['streams', 'binding', 'targets', 'sources', 'inspect'],
    packages: ['rxjs', 'cli-progress', 'cli-table3', 'commander', 'picocolors', 'zod'],
    builtins: true,
  },
  bench: { folders: ['streams', 'binding', 'targets', 'inspect', 'lab'], packages: 'any', builtins: true },
  // As a user would write them: the package by its name, never a file of it.
  examples: {
    folders: [],
    packages: ['rxjs', 'mocha', 'chai', '@opentelemetry/exporter-prometheus', '@opentelemetry/sdk-metrics'],
    builtins: true,
  },
  lab: { folders: [], packages: ['commander', 'mocha', 'puppeteer-core'], builtins: true },
};

/** The rooms of `streams/`, from the lowest up, and what each may import besides itself. */
const ROOMS = {
  util: [],
  ranges: ['util'],
  contracts: ['ranges', 'util'],
  changes: ['contracts', 'ranges', 'util'],
  regions: ['changes', 'contracts', 'ranges', 'util'],
  view: ['regions', 'changes', 'contracts', 'ranges', 'util'],
  'host-addresses': ['view', 'regions', 'changes', 'contracts', 'ranges', 'util'],
  target: ['changes', 'contracts', 'ranges', 'util'],
  branches: ['target', 'changes', 'contracts', 'ranges', 'util'],
  operators: ['host-addresses', 'branches', 'target', 'changes', 'contracts', 'ranges', 'util'],
  attachments: [
    ...['operators', 'host-addresses', 'view', 'regions'],
    ...['branches', 'target', 'changes', 'contracts', 'ranges', 'util'],
  ],
  manager: [
    ...['attachments', 'operators', 'host-addresses', 'view', 'regions'],
    ...['branches', 'target', 'changes', 'contracts', 'ranges', 'util'],
  ],
};

/** What runs in the browser has rules of its own. */
const PAGE = '^inspect/page/';
const PAGE_PACKAGES = ['lit', 'd3-zoom', 'd3-selection'];

const either = (names) => `(${names.join('|')})`;

const PROJECT = either([...Object.keys(FOLDERS), 'spec']);

const folderRules = Object.entries(FOLDERS).flatMap(([folder, { folders, packages, builtins }]) => [
  {
    name: `${folder}-imports-down`,
    comment: `${folder}/ may import ${folders.length === 0 ? 'no other folder' : folders.map((name) => `${name}/`).join(', ')}.`,
    severity: 'error',
    from: { path: `^${folder}/` },
    to: { path: `^${PROJECT}/`, pathNot: `^${either([folder, ...folders])}/` },
  },
  ...(packages === 'any'
    ? []
    : [
        {
          name: `${folder}-packages`,
          comment: `${folder}/ may use ${packages.length === 0 ? 'no package' : `the packages ${packages.join(', ')}`}.`,
          severity: 'error',
          from: { path: `^${folder}/`, pathNot: PAGE },
          to: { path: 'node_modules/', pathNot: `node_modules/(@types/)?${either([...packages, '@types/node'])}/` },
        },
      ]),
  ...(builtins
    ? []
    : [
        {
          name: `${folder}-without-node`,
          comment: `${folder}/ runs wherever RxJS does: what only Node.js has is no part of it.`,
          severity: 'error',
          from: { path: `^${folder}/` },
          to: { dependencyTypes: ['core'] },
        },
      ]),
]);

const roomRules = Object.entries(ROOMS).map(([room, rooms]) => ({
  name: `streams-${room}-imports-down`,
  comment: `streams/${room}/ may import ${rooms.length === 0 ? 'no other room' : rooms.join(', ')}: see docs/architecture.md.`,
  severity: 'error',
  from: { path: `^streams/${room}/` },
  to: { path: '^streams/', pathNot: `^streams/${either([room, ...rooms])}/` },
}));

const pageRules = [
  {
    name: 'page-imports',
    comment: 'What runs in the browser shares with the server the types of its messages, and nothing else.',
    severity: 'error',
    from: { path: PAGE },
    to: { path: `^${PROJECT}/`, pathNot: '^inspect/(page|wire)/' },
  },
  {
    name: 'page-packages',
    comment: `inspect/page/ may use the packages ${PAGE_PACKAGES.join(', ')}: they are bundled.`,
    severity: 'error',
    from: { path: PAGE },
    to: { path: 'node_modules/', pathNot: `node_modules/(@types/)?${either(PAGE_PACKAGES)}/` },
  },
  {
    name: 'page-model-is-pure',
    comment: 'inspect/page/model/ runs anywhere, in specs too: it knows nothing of the browser.',
    severity: 'error',
    from: { path: `${PAGE}model/` },
    to: { pathNot: '^inspect/(page/model|wire)/' },
  },
  {
    name: 'page-from-itself',
    comment: 'Nobody but the specs imports what runs in the browser.',
    severity: 'error',
    from: { path: `^${PROJECT}/`, pathNot: `${PAGE}|^spec/` },
    to: { path: PAGE },
  },
];

export default {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Files that import one another cannot be read, tested or moved one by one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'It is not there, or not among the dependencies.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'one-door-into-streams',
      comment:
        'streams/ is imported through streams/index.ts, which users see, or streams/internal.ts, which they do not.',
      severity: 'error',
      from: { path: `^${PROJECT}/`, pathNot: '^(streams|spec)/' },
      to: { path: '^streams/', pathNot: '^streams/(index|internal)\\.ts$' },
    },
    {
      name: 'room-of-streams',
      comment: 'Every file of streams/ but the two doors is in a room.',
      severity: 'error',
      from: { path: `^streams/`, pathNot: `^streams/(${either(Object.keys(ROOMS))}/|(index|internal)\\.ts$)` },
      to: {},
    },
    {
      name: 'one-loader-of-the-addon',
      comment: 'binding/addon.ts alone loads the addon.',
      severity: 'error',
      from: { pathNot: '^binding/addon\\.ts$' },
      to: { path: '(node_modules/node-gyp-build/|\\.node$)' },
    },
    {
      name: 'examples-as-users-write-them',
      comment: 'An example imports the package by its name, never a file of it.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { dependencyTypes: ['local'], pathNot: '^(examples|dist)/' },
    },
    {
      name: 'opentelemetry-by-type-only',
      comment: 'The package is an optional peer: inspect/ works without it.',
      severity: 'error',
      from: { path: '^inspect/' },
      to: { path: 'node_modules/@opentelemetry/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'inspect-without-node',
      comment: 'Of inspect/ only server/ needs Node.js: metrics run wherever RxJS does, and the page in a browser.',
      severity: 'error',
      from: { path: '^inspect/', pathNot: '^inspect/server/' },
      to: { dependencyTypes: ['core'] },
    },
    ...folderRules,
    ...roomRules,
    ...pageRules,
  ],
  options: {
    doNotFollow: { path: '(node_modules|^dist)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
