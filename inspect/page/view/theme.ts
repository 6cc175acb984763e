const KEY = 'dma-streams-theme';

/** Light or dark colours: those of the system, until the user chooses. */
export class Theme {
  readonly #system = matchMedia('(prefers-color-scheme: dark)');
  readonly #changed: () => void;
  #chosen: string | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
    try {
      this.#chosen = localStorage.getItem(KEY);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    this.#apply();
    this.#system.addEventListener('change', () => this.#apply());
  }

  get dark(): boolean {
    return this.#chosen === null ? this.#system.matches : this.#chosen === 'dark';
  }

  toggle(): void {
    this.#chosen = this.dark ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, this.#chosen);
    } catch {
      // As above.
    }
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.dark ? 'dark' : 'light';
    this.#changed();
  }
}
