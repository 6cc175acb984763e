import path from 'node:path';

/**
 * @typedef {object} Layer What the files of one folder may import.
 * @property {readonly string[]} folders Folders of this project, besides its own.
 * @property {readonly string[] | 'any'} packages Packages, their subpaths included.
 * @property {boolean} builtins Whether `node:` modules are among it.
 */

/**
 * The arrows between the folders: cli, examples, bench -> targets -> binding -> streams.
 *
 * @type {Readonly<Record<string, Layer>>}
 */
const LAYERS = {
  streams: { folders: [], packages: ['rxjs'], builtins: false },
  binding: { folders: ['streams'], packages: [], builtins: true },
  targets: { folders: ['streams', 'binding'], packages: ['rxjs'], builtins: true },
  cli: {
    folders: ['streams', 'binding', 'targets'],
    packages: ['rxjs', 'cli-progress', 'cli-table3', 'commander', 'picocolors', 'zod'],
    builtins: true,
  },
  bench: { folders: ['streams', 'binding', 'targets'], packages: 'any', builtins: true },
  // As a user would write them: the package by its name, never a file of it.
  examples: { folders: [], packages: ['dma-streams', 'rxjs', 'mocha', 'chai'], builtins: true },
  spec: { folders: ['streams', 'binding', 'targets', 'cli', 'bench', 'examples'], packages: 'any', builtins: true },
};

/** The one file that loads the addon, and what it loads it with. */
const ADDON_LOADER = 'binding/native.ts';
const ADDON_PACKAGE = 'node-gyp-build';

/**
 * @param {string} file relative to the project
 * @param {string} specifier
 * @returns {string | undefined} what is wrong with the import, if anything is
 */
function complaint(file, specifier) {
  const [folder = ''] = file.split('/');
  const layer = LAYERS[folder];
  if (layer === undefined) {
    return undefined;
  }
  if (specifier.endsWith('.node') || matches(specifier, ADDON_PACKAGE)) {
    return file === ADDON_LOADER ? undefined : `only ${ADDON_LOADER} loads the addon`;
  }
  if (specifier.startsWith('.') || specifier.startsWith('/')) {
    const imported = path.posix.join(path.posix.dirname(file), specifier);
    const [target = ''] = imported.split('/');
    return target === folder || layer.folders.includes(target) ? undefined : `${folder}/ must not import ${target}/`;
  }
  if (specifier.startsWith('node:')) {
    return layer.builtins ? undefined : `${folder}/ must not import modules of Node.js`;
  }
  if (layer.packages === 'any' || layer.packages.some((name) => matches(specifier, name))) {
    return undefined;
  }
  return `${folder}/ must not import the package '${specifier}'`;
}

/**
 * @param {string} specifier
 * @param {string} packageName
 */
function matches(specifier, packageName) {
  return specifier === packageName || specifier.startsWith(`${packageName}/`);
}

/** @param {string} folder */
function allowed(folder) {
  const layer = LAYERS[folder];
  if (layer === undefined) {
    return '';
  }
  const packages = layer.packages === 'any' ? ['any package'] : layer.packages;
  return [...layer.folders.map((name) => `${name}/`), ...packages, ...(layer.builtins ? ['node:*'] : [])].join(', ');
}

/**
 * Keeps the folders in order. It sees every way to name another module: import and export declarations, types included,
 * `import()` as expression and as type, `require`, `require.resolve`, and `import x = require()`.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
export const oneWayImports = {
  meta: {
    type: 'problem',
    docs: { description: 'Imports go one way: cli, examples, bench -> targets -> binding -> streams' },
    schema: [],
    messages: { wrongWay: '{{what}}; it may import itself{{rest}}. Imports go one way, as CONTRIBUTING.md says.' },
  },
  create(context) {
    const file = path.relative(context.cwd, context.filename).split(path.sep).join('/');

    /** @param {any} node The specifier; anything but a plain string cannot be judged. */
    function check(node) {
      const specifier = node?.type === 'TemplateLiteral' ? node.quasis[0].value.cooked : node?.value;
      if (typeof specifier !== 'string') {
        return;
      }
      const what = complaint(file, specifier);
      if (what !== undefined) {
        const rest = allowed(file.split('/')[0] ?? '');
        context.report({ node, messageId: 'wrongWay', data: { what, rest: rest === '' ? ' alone' : `, ${rest}` } });
      }
    }

    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (/** @type {any} */ node) => check(node.source),
      TSExternalModuleReference: (/** @type {any} */ node) => check(node.expression),
      "CallExpression:matches([callee.name='require'], [callee.object.name='require'])": (/** @type {any} */ node) =>
        check(node.arguments[0]),
    };
  },
};
