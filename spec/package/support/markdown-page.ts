import GithubSlugger from 'github-slugger';
import MarkdownIt, { type Token } from 'markdown-it';

const parser = new MarkdownIt({ html: true });

/** What a page of Markdown links to, and what can be linked to in it. */
export class MarkdownPage {
  readonly #tokens: readonly Token[];

  constructor(text: string) {
    this.#tokens = parser.parse(text, {}).flatMap((token) => [token, ...(token.children ?? [])]);
  }

  /** Where its links and pictures lead, those of HTML too. */
  get links(): readonly string[] {
    return this.#tokens.flatMap((token) => {
      if (token.type.startsWith('html_')) {
        return Array.from(token.content.matchAll(/\b(?:href|src|srcset)="([^"\s]+)/g), ([, to]) => to ?? '');
      }
      const to = token.attrGet('href') ?? token.attrGet('src');
      return to === null ? [] : [decodeURI(to)];
    });
  }

  /** The anchors of its headings, as GitHub makes them, and those that HTML in it names. */
  get anchors(): readonly string[] {
    const slugger = new GithubSlugger();
    return this.#tokens.flatMap((token, index) => {
      if (token.type.startsWith('html_')) {
        return Array.from(token.content.matchAll(/\b(?:id|name)="([^"]+)"/g), ([, name]) => name ?? '');
      }
      return token.type === 'heading_open' ? [slugger.slug(plainText(this.#tokens[index + 1]))] : [];
    });
  }
}

function plainText(inline: Token | undefined): string {
  return (inline?.children ?? [])
    .filter(({ type }) => type === 'text' || type === 'code_inline')
    .map(({ content }) => content)
    .join('');
}
