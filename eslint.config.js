import js from '@eslint/js';
import rxjsX from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** What may stand in a template literal: it prints as one expects, unlike objects, arrays and what may be undefined. */
const printable = { allowNumber: true, allow: [{ from: 'file', name: 'MemoryRange' }] };

export default defineConfig(
  { ignores: ['dist/', 'build/', 'coverage/', 'prebuilds/', 'site/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked, rxjsX.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', printable],
      // `() => stop()` reads well; a void value that is stored or returned by name is still an error.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // `record['key']` says that the key is data.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      // What was caught is thrown on as it was, error or not.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      // Callers that do without types pass anything: a message shows it through `String()`.
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      // It asks for `!`, which the strict rules forbid.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // Terminals are driven by control characters.
      'no-control-regex': 'off',
    },
  },
  {
    // Streams run wherever RxJS does: what only Node.js has is no part of them.
    files: ['streams/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['process', 'Buffer', 'require', 'module', 'global', '__dirname', '__filename', 'setImmediate'].map(
          (name) => ({
            name,
            message: 'streams/ is pure TypeScript and RxJS.',
          }),
        ),
      ],
      'no-restricted-properties': [
        'error',
        ...['process', 'Buffer', 'require'].map((property) => ({
          object: 'globalThis',
          property,
          message: 'streams/ is pure TypeScript and RxJS.',
        })),
      ],
    },
  },
  {
    files: ['spec/**/*.ts', 'examples/**/*.ts'],
    rules: {
      // chai says `expect(value).to.be.true`.
      '@typescript-eslint/no-unused-expressions': 'off',
      // A stream that ends too early rejects, and that fails the spec or the example, as it should.
      'rxjs-x/no-ignored-default-value': 'off',
      // An error that nobody handles ends the process, and with it the spec.
      'rxjs-x/no-ignored-error': 'off',
    },
  },
  {
    // Specs take methods off their objects to call them in the wrong way.
    files: ['spec/**/*.ts'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      // They throw what is no error.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // They call back into the library from a subscriber, to see that it holds.
      'rxjs-x/no-nested-subscribe': 'off',
      // They wait for what a callback sets, which the compiler takes for constant.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // They know the class behind an interface: it is their own fake.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // They print whatever they were given.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { ...printable, allowNullish: true }],
    },
  },
);
